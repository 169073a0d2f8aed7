"""Every metric. Metrics wrap what they measure and never steer it.

No label carries a user or item id: label values are outcomes, reasons, stages and topics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from encoders.core.base import counts, layers, timings
from streams.ops.collectors import PREFIX
from streams.ops.collectors.items import ItemStates
from streams.ops.collectors.lists import Answered, Exposures, Judged
from streams.ops.collectors.users import UserStates

if TYPE_CHECKING:
    # They bring numba, for which who only shows others' metrics has no use.
    from streams.flow.learning.next_uses import NextUses
    from streams.state.items.partition import ItemPartition
    from streams.state.users.partition import UserPartition

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 600, 3600, 86_400, 864_000)
ENCODER_COUNTS = {
    "cache": "Texts by what had them: memory (hit), disk or nothing (miss); evicted from memory; not asked of a disk",
    "remote": "Requests to the encoder's server, those of them that were retries, and those not sent while it rests",
    "tokens": "Tokens encoded, those of them unknown, and padding computed beside them; texts truncated",
    "sentiment": "Texts whose sentiment was scored, and those of no language that the model knows",
    "seconds": "Seconds that the encoder spent, by step",
    "queue": "Requests to the encoder's workers, those pushed back; batches made of them, those of several requests "
    "(joined), those that failed together (again), and their texts",
    "queue_seconds": "Seconds that requests waited for their first batch, and that workers were busy",
}
SIZES = (1, 10, 100, 250, 500, 1000, 2500, 5000, 10_000)


@dataclass(slots=True)
class Observed:
    """A run of a stage. worked: false where there was nothing to do."""

    worked: bool = True


class Metrics:
    """One registry per worker, so that tests and several workers in a process do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Topic and partition of each lag that may be shown.
        self._lagging: set[tuple[str, str]] = set()
        self._make_counts()
        self._make_times()
        self._make_gauges()

    def _make_counts(self) -> None:
        counter = self._counter
        self.events = counter("events", "Canonical events by outcome", "outcome")
        self.ingested = counter("ingested", "Source records by topic and outcome", "topic", "outcome")
        self.rejected = counter("rejected", "Rejected records by stage and reason", "stage", "reason")
        self.items = counter("items", "Records of the catalog by outcome", "outcome")
        self.media_failed = counter(
            "media_failed", "Media of items that could not be read, by reason", "medium", "reason"
        )
        self.published = counter("published", "Records published, by topic", "topic")
        self.errors = counter("stage_errors", "Batches that failed, by stage", "stage")
        self.foreign = counter(
            "foreign_records", "Changelog records that a replaced worker wrote over ours", "partition"
        )
        self.removed = counter(
            "removed_offsets", "Offsets of sources that were removed unread", "topic", "partition"
        )
        self.item_signals = counter(
            "item_signals", "What events said of items, by what became of it", "outcome"
        )
        self.retries = counter("retries", "Failed attempts that were repeated, by what failed", "stage")

    def _make_times(self) -> None:
        histogram = self._histogram
        self.batch_events = histogram("batch_events", "Events per partition batch", SIZES, "stage")
        self.seconds = histogram("stage_seconds", "Seconds per batch and stage", SECONDS, "stage")
        self.event_lag = histogram(
            "event_time_lag_seconds", "Publish time minus event time, newest event of a batch", LAG_SECONDS
        )
        self.latency = histogram(
            "end_to_end_seconds", "Broker record time to delivered vector, oldest of a batch", LAG_SECONDS
        )

    def _make_gauges(self) -> None:
        gauge = self._gauge
        self.consumer_lag = gauge("consumer_lag_records", "Records not yet processed", "topic", "partition")
        self.catalog = gauge("catalog_items", "Items in the catalog, by visibility", "visibility")
        self.paused = gauge("paused", "1 while something that failed is waited for", "stage")
        self.learned_items = gauge("learned_items", "Items of which the worker knows what was learned")
        self.staleness = gauge(
            "learned_staleness_seconds",
            "Time from the oldest record taken last, of what was learned, to its taking",
        )
        self.ranker_version = gauge("ranker_version", "Version of the workers' ranker that was taken last")
        self.tower_uses = gauge("tower_uses", "Uses that the two-tower vectors have learned from")
        self.tower_unmerged = gauge("tower_unmerged_items", "Items of whose vectors not all is added up yet")
        self.recovered = gauge("recovered_users", "Users read back by the recovery under way or last done")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, about, labels, buckets=buckets, registry=self.registry)

    def show_lags(self, lags: Mapping[tuple[str, int], int | None]) -> None:
        """Show these partitions' lags, and no other partition's. lags: None where unknown; what was shown stays."""
        self._lagging, before = {(topic, str(number)) for topic, number in lags}, self._lagging
        for topic, partition in before - self._lagging:
            self.consumer_lag.remove(topic, partition)
        for (topic, number), lag in lags.items():
            if lag is not None:
                self.consumer_lag.labels(topic, str(number)).set(lag)

    def watch(self, encoder: object) -> None:
        """Show what an encoder or a sentiment model counts, whenever the metrics are read."""
        self.registry.register(_EncoderCounts(encoder))

    def watch_users(self, partitions: Mapping[int, UserPartition]) -> None:
        """Show users in memory, evicted ones and events that wait, whenever the metrics are read."""
        self.registry.register(UserStates(partitions))

    def watch_lists(self, lists: NextUses) -> None:
        """Show how the lists do that users had, whenever the metrics are read."""
        self.registry.register(Judged(lists))

    def watch_exposure(self, exposure: Callable[[], Mapping[str, float]]) -> None:
        """Show which share of places groups of items have, by group, whenever the metrics are read."""
        self.registry.register(Exposures(exposure))

    def watch_feedback(self, partitions: Mapping[int, UserPartition]) -> None:
        """Show what became of items that were shown, whenever the metrics are read."""
        self.registry.register(Answered(partitions))

    def watch_items(self, partitions: Mapping[int, ItemPartition]) -> None:
        """Show how much is kept of items, whenever the metrics are read."""
        self.registry.register(ItemStates(partitions))

    def watch_counts(
        self, forgiven: Mapping[str, Mapping[tuple[str, str], int]], unknown: Mapping[str, int]
    ) -> None:
        """Show forgiven fields, by topic, and actions without a rule, whenever the metrics are read."""
        self.registry.register(_Told(forgiven, unknown))

    @contextmanager
    def observe(self, stage: str) -> Iterator[Observed]:
        """Time a stage and count its failures. The block may say that it found nothing to do: then no time counts."""
        observed, started = Observed(), time.perf_counter()
        try:
            yield observed
        except BaseException:
            self.errors.labels(stage).inc()
            raise
        finally:
            if observed.worked:
                self.seconds.labels(stage).observe(time.perf_counter() - started)

    def book(self, outcomes: Mapping[str, int]) -> None:
        """Count a batch's outcomes; `waiting` may fall and is a gauge of its own."""
        for outcome, count in outcomes.items():
            if outcome.startswith("rejected."):
                self.rejected.labels("update", outcome.removeprefix("rejected.")).inc(count)
            elif outcome != "waiting" and count > 0:
                self.events.labels(outcome).inc(count)

    def book_items(self, outcomes: Mapping[str, int]) -> None:
        """Count a batch of the catalog by what became of its records."""
        for outcome, count in outcomes.items():
            self.items.labels(outcome).inc(count)

    def book_signals(self, outcomes: Mapping[str, int]) -> None:
        """Count what events said of items, by what became of it."""
        for outcome, count in outcomes.items():
            self.item_signals.labels(outcome).inc(count)


class _EncoderCounts(Collector):
    """Reads the counts that an encoder and those that it wraps keep themselves (see encoders.core.base.counts)."""

    def __init__(self, encoder: object) -> None:
        self.encoder = encoder

    def collect(self) -> Iterator[Metric]:
        """One counter per thing counted or timed, labelled by kind."""
        for name, kinds in (counts(self.encoder) | timings(self.encoder)).items():
            family = CounterMetricFamily(f"{PREFIX}encoder_{name}", ENCODER_COUNTS[name], labels=["kind"])
            for kind, count in kinds.items():
                family.add_metric([kind], count)
            yield family
        for layer in layers(self.encoder):
            if hasattr(layer, "queued"):
                about = "Texts that wait for one of the encoder's workers"
                yield GaugeMetricFamily(f"{PREFIX}encoder_queued_texts", about, value=layer.queued)


class _Told(Collector):
    """Reads what formats forgave and which actions have no rule, as their owners count it."""

    def __init__(
        self, forgiven: Mapping[str, Mapping[tuple[str, str], int]], unknown: Mapping[str, int]
    ) -> None:
        self.forgiven, self.unknown = forgiven, unknown

    def collect(self) -> Iterator[Metric]:
        """Forgiven fields by topic and kind, and events by the action that has no rule."""
        about = "Fields that were not as documented and were understood or passed over, by kind"
        fields = CounterMetricFamily(f"{PREFIX}forgiven", about, labels=["topic", "field", "kind"])
        for topic, kinds in self.forgiven.items():
            for (field, kind), count in dict(kinds).items():
                fields.add_metric([topic, field, kind], count)
        yield fields
        about = "Events whose action has no rule, by action"
        actions = CounterMetricFamily(f"{PREFIX}unknown_actions", about, labels=["action"])
        for action, count in dict(self.unknown).items():
            actions.add_metric([action], count)
        yield actions
