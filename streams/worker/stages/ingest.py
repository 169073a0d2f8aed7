"""Source records into canonical events, or rejected with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sinks.base import TopicRecords
from streams.events.adapters.base import Adapter, parse_each
from streams.events.canonical import Event, encode
from streams.events.provenance import OriginHeaders
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Rejected
from streams.flow.future import Future
from streams.kafka.member.batches import RecordBatch
from streams.kafka.topics.limits import fitting
from streams.worker.stages.outputs import Outputs

# A source's record, the event's number among several of one record, and the event or why it is none.
Parsed = tuple[SourceRecord, int | None, Event | Rejected]
Good = tuple[SourceRecord, int | None, Event]


class Ingest:
    """Of one worker; keeps nothing from batch to batch."""

    name, needs_catalog = "ingest", False

    def __init__(
        self,
        canonical_topic: str,
        adapters: Mapping[str, Adapter],
        limits: Limits,
        future: Future,
        room: Callable[[], int],
    ) -> None:
        """canonical_topic: where canonical events go. adapters: by source topic. future: bounds events' times.

        room: gives the bytes that the canonical topic takes of one record.
        """
        self.adapters = adapters
        self._canonical_topic, self._limits, self._future, self._room = canonical_topic, limits, future, room
        self._headers = {topic: OriginHeaders(topic, "", "") for topic in adapters}
        self._topic_ids: Mapping[str, str] = {}

    def reads_from(self, topic_ids: Mapping[str, str], canonical_topic_id: str) -> None:
        """Say which topics the sources and the canonical topic are, before any record is ingested."""
        self._topic_ids = dict(topic_ids)
        self._headers = {
            topic: OriginHeaders(topic, topic_id, canonical_topic_id) for topic, topic_id in topic_ids.items()
        }

    def start(self, batch: RecordBatch) -> Outputs:
        """What a batch becomes."""
        parsed = self._parse(batch)
        good = [(record, index, one) for record, index, one in parsed if isinstance(one, Event)]
        bad = [(record, index, one) for record, index, one in parsed if isinstance(one, Rejected)]
        self._future.bound((one, record) for record, _, one in good)
        canonical, too_large = fitting(self._canonical(batch.topic, good), self._room())
        bad += [(*good[at][:2], reason) for at, reason in too_large]
        # Another topic may have had the name before.
        topic_id = self._topic_ids.get(batch.topic, "")
        return Outputs(
            groups=[canonical],
            rejected=[(r, reason._replace(event=index, topic_id=topic_id)) for r, index, reason in bad],
            source=batch.topic,
            outcomes={"event": len(canonical.records), "rejected": len(bad)},
        )

    def _parse(self, batch: RecordBatch) -> list[Parsed]:
        results = parse_each(self.adapters[batch.topic], batch.records, self._limits)
        return [
            (record, index if len(found) > 1 else None, one)
            for record, found in zip(batch.records, results, strict=True)
            for index, one in enumerate(found)
        ]

    def _canonical(self, topic: str, good: Sequence[Good]) -> TopicRecords:
        origin = self._headers[topic].of
        return TopicRecords(
            self._canonical_topic,
            [(event.user_id.encode(), encode(event)) for _, _, event in good],
            headers=[origin(record, index or 0) for record, index, _ in good],
        )
