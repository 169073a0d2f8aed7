"""The source topics of one worker: their ids, where they are read on, and what of them was removed unread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from faust.types import TP

from streams.kafka.brokers import Brokers
from streams.kafka.topics.ids import WatchedTopics, ids_now, known_ids, require_forward
from streams.ops.metrics import Metrics
from streams.settings.sections.topics import TopicSettings
from streams.worker.sources.positions import find

log = logging.getLogger(__name__)

# Between looks whether the sources are the topics that they were.
LOOK_S = 5.0
# Called with the topics' ids, and the canonical topic's, before any record is ingested.
ReadsFrom = Callable[[Mapping[str, str], str], None]


class Sources:
    """The canonical topic among them."""

    def __init__(
        self, topics: TopicSettings, faust_app: Any, brokers: Brokers, metrics: Metrics, reads_from: ReadsFrom
    ) -> None:
        """reads_from: see Ingest."""
        self.topics, self.app, self.brokers, self.metrics = topics, faust_app, brokers, metrics
        self._reads_from = reads_from
        self._watched = WatchedTopics(topics.canonical)
        faust_app.state_moved, faust_app.state_topic_ids = self._moved, self._watched.ids

    async def find(self) -> dict[tuple[str, int], int]:
        """Offset by partition (topic, number), where it is not the one that the group has committed.

        Raises SourceChangedError, StateError, GaveUpError, StoppedError.
        """
        raw, ask = self._raw(), self.brokers.ask
        topics = {self.topics.canonical, *(topic for topic, _ in raw)}
        self._watched.look(await ask(known_ids, self.brokers.admin, topics))
        ids = self._watched.ids
        self._reads_from(ids, ids[self.topics.canonical])
        found = await ask(find, self.brokers, self.topics, raw, ids)
        for (topic, partition), (begin, end) in found.removed.items():
            self.report_removed(topic, partition, begin, end)
        return dict(found.seeks)

    async def watch(self) -> None:
        """For ever. Raises SourceChangedError where one was deleted or made anew."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._watched.look(await self.brokers.ask(ids_now, self.brokers.admin, list(self._watched.ids)))

    def report_removed(self, topic: str, partition: int, begin: int, end: int) -> None:
        """Log and count offsets from `begin` up to before `end` that were removed before they were read."""
        log.warning(
            "%s-%d: offsets %d to %d were removed before they were read; reading goes on at offset %d. Where that "
            "was retention, let the topic keep its records for longer than workers may be away",
            *(topic, partition, begin, end - 1, end),
        )
        self.metrics.removed.labels(topic, str(partition)).inc(end - begin)

    def _moved(self, tp: TP, asked: int, begin: int) -> None:
        """A partition no longer holds what was to be read. Raises SourceChangedError where it began anew."""
        require_forward(tp.topic, tp.partition, asked, begin, self.topics.canonical)
        self.report_removed(tp.topic, tp.partition, asked, begin)

    def _raw(self) -> list[tuple[str, int]]:
        """The partitions of the raw topics that are ours now."""
        topics = {source.topic for source in self.topics.raw_sources}
        return [(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in topics]
