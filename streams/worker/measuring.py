"""Metrics around the worker's parts, which know nothing of them: each class here is its base, counted and timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sinks.base import Delivery, Log, TopicRecords
from streams.flow.flow import Decoded
from streams.interest.base import Floats
from streams.kafka.member.batches import RecordBatch
from streams.ops.metrics import Metrics
from streams.worker.publishing import Publisher
from streams.worker.runner import Runner
from streams.worker.scheduling import Scheduler
from streams.worker.stages.catalog import CatalogStage
from streams.worker.stages.ingest import Ingest
from streams.worker.stages.learn import Learn
from streams.worker.stages.outputs import Outputs, Stage
from streams.worker.stages.update import Update


class MeasuredSink:
    """A sink; counts records by topic as they are handed over."""

    def __init__(self, sink: Log, metrics: Metrics) -> None:
        self._sink, self._metrics = sink, metrics

    def publish(self, groups: Sequence[TopicRecords]) -> Delivery:
        """See Log."""
        for group in groups:
            self._metrics.published.labels(group.topic).inc(len(group.records))
        return self._sink.publish(groups)

    def close(self, deadline_s: float) -> int:
        """See Log."""
        return self._sink.close(deadline_s)


class MeasuredRunner(Runner):
    """Times stages and deliveries."""

    def __init__(self, metrics: Metrics, *arguments: Any) -> None:
        """arguments: the runner's."""
        super().__init__(*arguments)
        self._metrics = metrics

    async def work(self, stage: Stage, batch: RecordBatch) -> Delivery:
        """See Runner."""
        with self._metrics.observe(stage.name):
            delivery = await super().work(stage, batch)
        self._metrics.batch_events.labels(stage.name).observe(len(batch.records))
        return delivery

    async def delivered(self, stage: Stage, batch: RecordBatch, delivery: Delivery) -> None:
        """See Runner."""
        with self._metrics.observe(f"{stage.name}.publish"):
            await super().delivered(stage, batch, delivery)
        if stage.name == Update.name:
            self._metrics.latency.observe(max(0.0, time.time() - batch.records[0].timestamp / 1000))


class MeasuredPublisher(Publisher):
    """Counts what stages make."""

    def __init__(self, metrics: Metrics, *arguments: Any) -> None:
        """arguments: the publisher's."""
        super().__init__(*arguments)
        self._metrics = metrics

    def publish(self, stage: str, outputs: Outputs) -> Delivery:
        """See Publisher."""
        if stage == Ingest.name:
            self._count_ingested(outputs)
        elif stage == CatalogStage.name:
            self._count_items(outputs)
        elif stage == Update.name:
            self._count_events(outputs)
        elif stage == Learn.name:
            self._count_rejected(Learn.name, outputs)
        delivery = super().publish(stage, outputs)
        if (newest := outputs.newest) is not None:
            lag = self._metrics.event_lag
            delivery.add_done_callback(lambda _: lag.observe(max(0.0, time.time() - newest / 1000)))
        return delivery

    def _count_ingested(self, outputs: Outputs) -> None:
        for outcome, count in outputs.outcomes.items():
            self._metrics.ingested.labels(outputs.source, outcome).inc(count)
        self._count_rejected(Ingest.name, outputs)

    def _count_items(self, outputs: Outputs) -> None:
        self._metrics.book_items(outputs.outcomes)
        for failure in outputs.media_failed:
            self._metrics.media_failed.labels(failure.medium, failure.reason).inc()
        self._count_rejected(CatalogStage.name, outputs)

    def _count_rejected(self, stage: str, outputs: Outputs) -> None:
        for _, rejected in outputs.rejected:
            self._metrics.rejected.labels(stage, rejected.reason).inc()

    def _count_events(self, outputs: Outputs) -> None:
        """Rejected events are among the outcomes."""
        self._metrics.book(outputs.outcomes)


class MeasuredUpdate(Update):
    """Times the fold."""

    def __init__(self, metrics: Metrics, *arguments: Any) -> None:
        """arguments: the stage's."""
        super().__init__(*arguments)
        self._metrics = metrics

    def fold(self, partition: int, decoded: Decoded, texts: Floats) -> Outputs:
        """See Update."""
        with self._metrics.observe("update.fold"):
            return super().fold(partition, decoded, texts)


class MeasuredCatalogStage(CatalogStage):
    """Shows how many items are known."""

    def __init__(self, metrics: Metrics, *arguments: Any) -> None:
        """arguments: the stage's."""
        super().__init__(*arguments)
        self._metrics = metrics

    def learn(self, messages: Sequence[Any]) -> None:
        """See CatalogStage."""
        super().learn(messages)
        catalog = self.catalog_updater.catalog
        shown = int(catalog.live.sum())
        self._metrics.catalog.labels("shown").set(shown)
        self._metrics.catalog.labels("hidden").set(len(catalog) - shown)


class MeasuredScheduler(Scheduler):
    """Times recommendations."""

    def __init__(self, metrics: Metrics, *arguments: Any) -> None:
        """arguments: the scheduler's."""
        super().__init__(*arguments)
        self._metrics = metrics

    async def recommend(self, partition: int) -> tuple[list[int], Outputs]:
        """See Scheduler."""
        with self._metrics.observe(self.stage.name) as observed:
            rows, outputs = await super().recommend(partition)
            observed.worked = bool(rows)
            return rows, outputs
