"""Writes the items that have changed, every so often: to the changelog, and to every worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

import numpy as np

from sinks.base import Delivery, Log, TopicRecords
from streams.catalog.learned import learned_records
from streams.catalog.learned_towers import learned_towers
from streams.settings.sections.topics import TopicSettings
from streams.state.changelog import TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.items.partition import Changed, ItemPartition
from streams.state.layout import Rows
from streams.worker.learning.ranker import MERGED_IN, NoRanker
from streams.worker.learning.towers import NoTowers
from streams.worker.stages.learn import Learn
from streams.worker.threads import ModelThread

# Of all time, what writing may take. An item is 6 KB, so many that change cost more than all that changes them.
WRITING_SHARE = 0.05
# What it may be put off by: a process that was stopped meanwhile took no such time.
MOST_INTERVALS = 10


class ItemFlusher:
    """Of one worker. An item that changes all the time is written once in an interval."""

    def __init__(
        self,
        topics: TopicSettings,
        learn: Learn,
        sink: Log,
        model: ModelThread,
        interval_s: float,
        ranker: NoRanker | None = None,
        clock: Callable[[], float] = time.monotonic,
        towers: NoTowers | None = None,
    ) -> None:
        """ranker: tells what it has learned, and writes what was merged. clock: seconds. towers: tell what they have
        learned."""
        self.towers = towers or NoTowers()
        self.topics, self.learn, self.sink, self.model = topics, learn, sink, model
        self.interval, self.ranker, self.clock = interval_s, ranker or NoRanker(), clock
        # The topic of signals, which the states are built from; until it is known it has no partitions.
        self.source = TopicIdentity(topics.item_signals, 0)

    @property
    def idle(self) -> bool:
        """True where nothing is to be written or under way; any thread."""
        parts = list(self.learn.partitions.values())
        return not any(part.has_changed or part.deliveries.under_way for part in parts)

    async def run(self) -> None:
        """For ever. What was written last is delivered before the next is written: so a slow broker is given less.

        Where many items change, so that writing takes long, it is done less often.
        """
        took = 0.0
        while True:
            rest = min(took * (1 / WRITING_SHARE - 1), MOST_INTERVALS * self.interval)
            await asyncio.sleep(max(self.interval, rest))
            begun = self.clock()
            for delivered in await self.model.run(self.flush):
                await asyncio.wrap_future(delivered)
            await self.model.run(self._settle)
            took = self.clock() - begun

    def flush(self, whole: bool = False) -> list[Delivery]:
        """Write all that has changed, and tell what was learned; on the model thread. whole: see `NoTowers.share`."""
        parts = self.learn.partitions.values()
        told = self.ranker.share() + self.towers.share(self.source.partitions, whole)
        return told + [self._write(part) for part in parts if part.has_changed]

    def take_over(self) -> list[Delivery]:
        """After a recovery: write what may not have been, and rows whose newest record is not their last."""
        self.ranker.own(MERGED_IN in self.learn.partitions)
        found = []
        for part in self.learn.partitions.values():
            part.touch(part.stale, part.unpublished)
            found.append(self._write(part))
        return found

    def write_again(self, part: ItemPartition, items: Collection[str]) -> Delivery:
        """Write items again: somebody else wrote older states of them behind ours. On the model thread."""
        if self.learn.partitions.get(part.partition) is not part:
            return self.sink.publish([])
        part.touch(part.known_rows(sorted(items)))
        return self._write(part)

    def _write(self, part: ItemPartition) -> Delivery:
        self.learn.settle(part)
        return self.publish(part, part.changed())

    def publish(self, part: ItemPartition, changed: Changed) -> Delivery:
        """Write these rows, which are all that has changed, and behind them the record that says so."""
        part.mark(changed.rows)
        written = part.read_rows(changed.rows)
        rows_written = part.records(changed.rows, written)
        records = [*rows_written, part.progress_record(self.source)]
        groups = [
            TopicRecords(self.topics.items_state, records, part.partition),
            TopicRecords(self.topics.learned, self._shown(part, changed, rows_written, written)),
            *self.ranker.records(self.topics.learned, part),
        ]
        delivery = self.sink.publish(groups)
        part.deliveries.add(PendingChange(part.sequence, part.processed_offset, len(records), delivery))
        return delivery

    def _shown(
        self, part: ItemPartition, changed: Changed, records: Sequence[tuple[bytes, bytes]], written: Rows
    ) -> list[tuple[bytes, bytes]]:
        """Of the rows that are written, what every worker is to know. records, written: of all of them."""
        keys, generation = [key for key, _ in records], self.topics.generation
        items, towers = (np.searchsorted(changed.rows, rows) for rows in (changed.items, changed.towers))
        states = part.layout.view(written)
        shown = learned_records([keys[at] for at in items.tolist()], states[items], generation)
        if len(towers):
            own = [keys[at] for at in towers.tolist()]
            learned = part.towers.of(changed.towers)
            shown += learned_towers(own, states[towers], learned, generation, part.towers.space)
        return shown

    def _settle(self) -> None:
        for part in self.learn.partitions.values():
            part.deliveries.settle()
