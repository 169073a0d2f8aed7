"""Source records into canonical events, or rejected with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.base import Group
from streams.adapters.base import Adapter, parse_each
from streams.events import Event, Limits, Rejected, encode
from streams.metrics import Metrics
from streams.provenance import origin_headers
from streams.publishing import Publisher
from streams.rooms import fitting
from streams.transport import RecordBatch


class Ingester:
    """Of one worker; keeps nothing from batch to batch."""

    def __init__(
        self,
        events_topic: str,
        adapters: Mapping[str, Adapter],
        limits: Limits,
        publisher: Publisher,
        metrics: Metrics,
    ) -> None:
        """events_topic: where canonical events go. adapters: by source topic."""
        self.adapters = adapters
        self._events_topic, self._limits = events_topic, limits
        self._publisher, self._metrics = publisher, metrics

    def ingest(self, batch: RecordBatch) -> Any:
        """Publish what a batch becomes; returns the future of the deliveries."""
        results = parse_each(self.adapters[batch.topic], batch.records, self._limits)
        both = list(zip(batch.records, results, strict=True))
        good = [(record, event) for record, event in both if isinstance(event, Event)]
        bad = [(record, reason) for record, reason in both if isinstance(reason, Rejected)]
        canonical = Group(
            self._events_topic,
            [(event.user_id.encode(), encode(event)) for _, event in good],
            headers=[origin_headers(record) for record, _ in good],
        )
        canonical, too_large = fitting(canonical, [r for r, _ in good], self._publisher.rooms.events)
        bad += too_large
        self._metrics.ingested.labels(batch.topic, "event").inc(len(canonical.records))
        self._metrics.ingested.labels(batch.topic, "rejected").inc(len(bad))
        return self._publisher.publish([canonical, *self._publisher.rejected("ingest", bad)])
