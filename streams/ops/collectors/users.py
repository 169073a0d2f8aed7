"""How many users there are, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.ops.collectors import PREFIX

if TYPE_CHECKING:
    from streams.state.users.partition import UserPartition


class UserStates(Collector):
    """Reads the states' own counts; those of what moved begin anew with every recovery."""

    def __init__(self, partitions: Mapping[int, UserPartition]) -> None:
        self.partitions = partitions

    def collect(self) -> Iterator[Metric]:
        """Of our partitions: users by place, moves between the places, and events that wait for their item."""
        about = "Users in the state, by place"
        users = GaugeMetricFamily(f"{PREFIX}users", about, labels=["partition", "place"])
        moved = CounterMetricFamily(
            f"{PREFIX}users_moved", "Users evicted to the local file and returned", labels=["partition", "to"]
        )
        about = "Events that wait for their item"
        waiting = GaugeMetricFamily(f"{PREFIX}waiting_events", about, labels=["partition"])
        # A copy: the model thread changes what is ours.
        for number, part in list(self.partitions.items()):
            waiting.add_metric([str(number)], part.waiting.count)
            users.add_metric([str(number), "memory"], len(part))
            if (evicted := part.evicted) is not None:
                users.add_metric([str(number), "file"], evicted.count)
                moved.add_metric([str(number), "file"], evicted.evictions)
                moved.add_metric([str(number), "memory"], evicted.returns)
        yield users
        yield moved
        yield waiting
