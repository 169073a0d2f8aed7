"""Source records into canonical events, or rejected with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.base import Group
from streams.events.adapters.base import Adapter, parse_each
from streams.events.canonical import Event, Limits, Rejected, SourceRecord, encode
from streams.events.provenance import OriginHeaders
from streams.flow.future import Future
from streams.kafka.batches import RecordBatch
from streams.kafka.topics.limits import fitting
from streams.ops.metrics import Metrics
from streams.worker.publishing import Publisher

Refusal = tuple[SourceRecord, Rejected]


class Ingester:
    """Of one worker; keeps nothing from batch to batch."""

    def __init__(
        self,
        events_topic: str,
        adapters: Mapping[str, Adapter],
        limits: Limits,
        publisher: Publisher,
        metrics: Metrics,
        future: Future,
    ) -> None:
        """events_topic: where canonical events go. adapters: by source topic. future: bounds events' times."""
        self.adapters = adapters
        self._events_topic, self._limits = events_topic, limits
        self._headers = {topic: OriginHeaders(topic, "", "") for topic in adapters}
        self._topic_ids: Mapping[str, str] = {}
        self._publisher, self._metrics, self._future = publisher, metrics, future

    def reads_from(self, topic_ids: Mapping[str, str], events_topic_id: str) -> None:
        """Say which topics the sources and the canonical topic are, before any record is ingested."""
        self._topic_ids = dict(topic_ids)
        self._headers = {
            topic: OriginHeaders(topic, topic_id, events_topic_id) for topic, topic_id in topic_ids.items()
        }

    def ingest(self, batch: RecordBatch) -> Any:
        """Publish what a batch becomes; returns the future of the deliveries."""
        results = parse_each(self.adapters[batch.topic], batch.records, self._limits)
        bound, horizon = self._future.bound, self._future.horizon()
        each = [
            (record, index if len(found) > 1 else None, one)
            for record, found in zip(batch.records, results, strict=True)
            for index, one in enumerate(found)
        ]
        good = [(r, index, bound(one, r, horizon)) for r, index, one in each if isinstance(one, Event)]
        bad = [(r, reason._replace(event=index)) for r, index, reason in each if isinstance(reason, Rejected)]
        origin = self._headers[batch.topic].of
        canonical, too_large = fitting(
            Group(
                self._events_topic,
                [(event.user_id.encode(), encode(event)) for _, _, event in good],
                headers=[origin(record, index or 0) for record, index, _ in good],
            ),
            self._publisher.rooms.events,
        )
        bad += [(good[at][0], reason._replace(event=good[at][1])) for at, reason in too_large]
        bad = self._placed(batch.topic, bad)
        self._metrics.ingested.labels(batch.topic, "event").inc(len(canonical.records))
        self._metrics.ingested.labels(batch.topic, "rejected").inc(len(bad))
        return self._publisher.publish([canonical, *self._publisher.rejected("ingest", bad)])

    def _placed(self, topic: str, bad: list[Refusal]) -> list[Refusal]:
        """The same, with the topic that they are of: another one may have had that name before."""
        topic_id = self._topic_ids.get(topic, "")
        return [(record, reason._replace(topic_id=topic_id)) for record, reason in bad]
