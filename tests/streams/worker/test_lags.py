"""The metrics of a partition go with it: another worker shows them then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.worker.oversight import Oversight
from streams.worker.worker import Worker
from tests.streams.flows import make_flow

LAG, WAITING = "interestflow_consumer_lag_records", "interestflow_waiting_events"


class Assigned:
    """A Faust app and its consumer, and what is known of who owns what."""

    def __init__(self, lags: dict[TP, int | None]) -> None:
        self.consumer, self.lags = self, lags

    def assignment(self) -> set[TP]:
        return set(self.lags)

    def lag(self, tp: TP) -> int | None:
        return self.lags[tp]

    def joined(self) -> bool:
        return bool(self.lags)


def worker_of(app: Assigned, metrics: Metrics) -> Worker:
    """A worker that has no more than its partitions."""
    none: Any = SimpleNamespace(publisher=None)
    oversight = Oversight(metrics, none, none, none)
    owned: Any = app
    return Worker(Settings(), app, none, owned, none, none, none, none, oversight)


def shown(metrics: Metrics, name: str) -> dict[str, float]:
    families = (family for family in metrics.registry.collect() if family.name == name)
    return {s.labels["partition"]: s.value for family in families for s in family.samples}


def test_the_lag_of_a_partition_that_was_taken_away_is_no_longer_shown() -> None:
    metrics = Metrics()
    app = Assigned({TP("t", 0): 3, TP("t", 1): 4, TP("t", 2): None})
    worker = worker_of(app, metrics)
    worker.show_lags()
    assert shown(metrics, LAG) == {"0": 3, "1": 4}
    app.lags = {TP("t", 1): None, TP("t", 2): 5}
    worker.show_lags()
    assert shown(metrics, LAG) == {"1": 4, "2": 5}
    app.lags = {}
    worker.show_lags()
    assert shown(metrics, LAG) == {}


def test_the_events_that_wait_in_a_partition_that_was_taken_away_are_no_longer_shown() -> None:
    metrics, flow = Metrics(), make_flow()
    metrics.watch_users(flow.partitions)
    flow.partitions[0] = UserPartition(0, flow.layout)
    assert shown(metrics, WAITING) == {"0": 0}
    flow.partitions.clear()
    assert shown(metrics, WAITING) == {}
