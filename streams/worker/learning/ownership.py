"""Which partitions of items are this worker's, and their states: recovered at each rebalance, as the users' are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any

from sinks.base import Delivery, SinkError
from streams.kafka.brokers import Brokers
from streams.kafka.log_bounds import Partition
from streams.settings.settings import Settings
from streams.state import removed
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.learning.ranker import MERGED_IN
from streams.worker.learning.signal_log import SignalLog
from streams.worker.publishing import owner_records
from streams.worker.recovery import Changelog, check_changelog, positions, recover, topic_identity

log = logging.getLogger(__name__)


class NoItems:
    """What `Ownership` asks of the items' part of it; here of a worker that does not learn of items."""

    def __init__(self) -> None:
        # The topics whose partitions are read from where a state says, and offset by partition (topic, number).
        self.topics: frozenset[str] = frozenset()
        self.seeks: dict[Partition, int] = {}

    def look_at_topics(self) -> None:
        """Raises StateError, ReadError or TopicError where there is nothing to go on with. May block."""

    async def recover(self, assigned: Collection[Any], name: str) -> None:
        """Read the states of what is assigned, as (topic, partition); they are not in use yet. name: the worker's.

        Raises StateError, ReadError, GaveUpError, StoppedError.
        """

    def install(self) -> list[Delivery]:
        """Take these states into use; returns the deliveries of what was not published yet. On the model thread."""
        return []

    def drop(self) -> None:
        """Forget all states; on the model thread."""

    def under_way(self) -> list[Delivery]:
        """Write what has changed; returns all deliveries that are under way. On the model thread."""
        return []


class ItemOwnership(NoItems):
    """Of one worker."""

    def __init__(
        self,
        settings: Settings,
        flusher: ItemFlusher,
        signals: SignalLog,
        brokers: Brokers,
        follower: LearnedFollower,
        space: int = 0,
    ) -> None:
        """signals: is told how many partitions of items there are. follower: knows what the ranker goes on from.
        space: of two-tower vectors, see `items.towers.space_of`."""
        super().__init__()
        self.settings, self.flusher, self.signals, self.brokers = settings, flusher, signals, brokers
        self.follower, self.space = follower, space
        self.topics = frozenset((settings.topics.item_signals,))
        self.layout = ItemLayout()
        self._states: dict[int, ItemPartition] = {}

    def look_at_topics(self) -> None:
        """See NoItems."""
        topics, admin = self.settings.topics, self.brokers.admin
        source = topic_identity(admin, topics.item_signals)
        check_changelog(admin, topics.items_state, source)
        self.flusher.source, self.signals.partitions = source, source.partitions

    async def recover(self, assigned: Collection[Any], name: str) -> None:
        """See NoItems."""
        topics = self.settings.topics
        mine = sorted(tp.partition for tp in assigned if tp.topic == topics.item_signals)
        told = self.flusher.sink.publish(owner_records(topics.items_state, mine, name))
        offsets = await asyncio.wrap_future(told)
        epochs = dict(zip(mine, offsets, strict=True))
        deadline = self.settings.worker.recovery_deadline_s
        changelog = Changelog(self.brokers.kafka, topics.items_state, self.flusher.source, deadline)
        states = await self.brokers.ask(recover, changelog, epochs, self._empty)
        found = await self.brokers.ask(positions, self.brokers.admin, topics.item_signals, states)
        for number, part in states.items():
            removed.book(part, found.begins[number])
            _tell_left_out(part)
        if MERGED_IN in states and self.flusher.ranker.shares:
            await self.follower.catch_up()
        self.seeks = {(topics.item_signals, number): offset for number, offset in found.starts.items()}
        self._states = states

    def install(self) -> list[Delivery]:
        """See NoItems."""
        self.flusher.learn.partitions.update(self._states)
        return self.flusher.take_over()

    def drop(self) -> None:
        """See NoItems."""
        self.flusher.learn.partitions.clear()
        self.flusher.ranker.own(False)

    def under_way(self) -> list[Delivery]:
        """See NoItems."""
        try:
            told = self.flusher.flush(whole=True)
        except SinkError:
            return []  # whoever runs the flusher is told
        parts = self.flusher.learn.partitions.values()
        return [*told, *(delivered for part in parts for delivered in part.deliveries.under_way)]

    def _empty(self, partition: int) -> ItemPartition:
        return ItemPartition(partition, self.layout, space=self.space)


def _tell_left_out(part: ItemPartition) -> None:
    if part.damaged:
        log.warning(
            "the states of %d items of partition %d are damaged, for somebody else wrote to their topic: what was "
            "learned of them begins anew; see to it that workers alone may write there",
            part.damaged,
            part.partition,
        )
    if part.towers.left_out:
        log.warning(
            "the two-tower vectors of %d items of partition %d were learned with another encoder, projection or "
            "version of InterestFlow: they begin anew, at the items' content",
            part.towers.left_out,
            part.partition,
        )
