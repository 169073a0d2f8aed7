"""What rankers learn, by all workers together: each tells what it has learned, one merges, and all follow.

Every so often a worker writes its sums of gradients to one partition of the topic of signals. Whoever owns that
partition merges them, and writes what came of it to the topic of what was learned. Every worker goes on from there,
with its own sums on top that are not in it yet: else it would forget for a while what it has just learned, learn it
again, and so learn each thing several times.

Sums are merged at least once where nothing crashes. A crash may merge some twice, or lose some: a step of learning more
or less, never a use of an item.
"""

from __future__ import annotations

import logging
from collections import deque
from math import inf

from sinks.base import Delivery, Log, TopicRecords
from streams.catalog.learned import Order, RankerError, ranker_record, read_ranker
from streams.flow.learning.records import ranker_sums
from streams.recommend.abilities import Merger, SharesLearning
from streams.settings.errors import UserError
from streams.settings.sections.topics import TopicSettings
from streams.state.items.partition import ItemPartition

log = logging.getLogger(__name__)

# Of the topic of signals: whoever owns it merges.
MERGED_IN = 0
# Of a worker's sums that are under way the newest so many are on top of what is followed.
UNDER_WAY = 256


class NoRanker:
    """Of a worker whose recommender has nothing to share."""

    # Version of what was followed last; 0 for nothing.
    version = 0
    shares = False

    def share(self) -> list[Delivery]:
        """Tell what was learned since the last call."""
        return []

    def own(self, mine: bool) -> None:
        """From now on it is this worker that merges, going on from what it has followed; or it is not."""

    def merge(self, sums: bytes) -> None:
        """Take what a worker tells."""

    def records(self, topic: str, part: ItemPartition) -> list[TopicRecords]:
        """What has been merged since the last call, to be written with this partition."""
        return []

    def follow(self, value: bytes | None) -> None:
        """Go on from what was merged, where that is newer than what is known."""


class SharedRanker(NoRanker):
    """Of one worker; on the model thread."""

    shares = True

    def __init__(self, topics: TopicSettings, recommender: SharesLearning, sink: Log) -> None:
        self.topics, self.recommender, self.sink = topics, recommender, sink
        # What was followed last, and its place among all that are written.
        self._newest, self._order = b"", Order(0, 0, 0)
        self._merger: Merger | None = None
        # Version that was written last.
        self._written = 0
        # Sums that were told, and what says at which offset they lie.
        self._under_way: deque[tuple[Delivery, bytes]] = deque(maxlen=UNDER_WAY)
        self._told: set[str] = set()

    def share(self) -> list[Delivery]:
        """See NoRanker."""
        if not (sums := self.recommender.learned()):
            return []
        delivery = self.sink.publish([ranker_sums(self.topics.item_signals, MERGED_IN, sums)])
        self._under_way.append((delivery, sums))
        return [delivery]

    def own(self, mine: bool) -> None:
        """See NoRanker."""
        self._merger = self.recommender.merger() if mine else None
        if self._merger is not None:
            if self._newest:
                self._merger.load(self._newest)
            self._written = self._merger.version

    def merge(self, sums: bytes) -> None:
        """See NoRanker."""
        if self._merger is None:
            return
        try:
            self._merger.merge(sums)
        except UserError as error:
            self._tell("what a worker's ranker has learned is left out: %s", error)

    def records(self, topic: str, part: ItemPartition) -> list[TopicRecords]:
        """See NoRanker."""
        merger = self._merger
        if merger is None or part.partition != MERGED_IN or merger.version == self._written:
            return []
        self._written = merger.version
        order = Order(self.topics.generation, part.deliveries.epoch, part.processed_offset)
        return [TopicRecords(topic, [ranker_record(merger.save(), order)])]

    def follow(self, value: bytes | None) -> None:
        """See NoRanker. What does not fit is left out, and said once: then the ranker goes on from where it is."""
        try:
            order, saved = read_ranker(value)
            if order < self._order:
                return
            version = self._load(saved, order.offset)
        except (RankerError, UserError) as error:
            self._tell("the ranker in the topic is left out, and ours goes on from where it is: %s", error)
            return
        self._newest, self._order, self.version = saved, order, version

    def _load(self, saved: bytes, merged: int) -> int:
        """Go on from what was saved, which holds the sums up to an offset; returns its version."""
        together = self.recommender.merger()
        together.load(saved)
        version = together.version
        while self._under_way and _offset(self._under_way[0][0]) <= merged:
            self._under_way.popleft()
        for _, sums in self._under_way:
            together.merge(sums)
        self.recommender.load(together.save())
        return version

    def _tell(self, message: str, error: Exception) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            log.warning(message, error)


def _offset(delivery: Delivery) -> float:
    """Of the record that was published; infinite while nobody knows."""
    return delivery.result()[0] if delivery.done() and delivery.exception() is None else inf
