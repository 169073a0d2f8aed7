"""Writes the items that have changed, every so often: to the changelog, and to every worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from sinks.base import Delivery, Log, TopicRecords
from streams.catalog.learned import learned_records
from streams.interest.base import Longs
from streams.settings.sections.topics import TopicSettings
from streams.state.changelog import TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.items.partition import ItemPartition
from streams.worker.learning.ranker import MERGED_IN, NoRanker
from streams.worker.stages.learn import Learn
from streams.worker.threads import ModelThread

# Of all time, what writing may take. An item is 6 KB, so many that change cost more than all that changes them.
WRITING_SHARE = 0.1
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
    ) -> None:
        """ranker: tells what it has learned, and writes what was merged. clock: seconds."""
        self.topics, self.learn, self.sink, self.model = topics, learn, sink, model
        self.interval, self.ranker, self.clock = interval_s, ranker or NoRanker(), clock
        # The topic of signals, which the states are built from.
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

    def flush(self) -> list[Delivery]:
        """Write all that has changed, and what the ranker has learned; on the model thread."""
        parts = self.learn.partitions.values()
        told = self.ranker.share()
        return told + [self.publish(part, part.changed()) for part in parts if part.has_changed]

    def take_over(self) -> list[Delivery]:
        """After a recovery: write what may not have been, and rows whose newest record is not their last."""
        self.ranker.own(MERGED_IN in self.learn.partitions)
        found = []
        for part in self.learn.partitions.values():
            part.touch(part.stale, part.unpublished)
            found.append(self.publish(part, part.changed()))
        return found

    def write_again(self, part: ItemPartition, items: Collection[str]) -> Delivery:
        """Write items again: somebody else wrote older states of them behind ours. On the model thread."""
        if self.learn.partitions.get(part.partition) is not part:
            return self.sink.publish([])
        part.touch(part.known_rows(sorted(items)))
        return self.publish(part, part.changed())

    def publish(self, part: ItemPartition, rows: Longs) -> Delivery:
        """Write these rows (m,), which hold all that has changed, and behind them the record that says so."""
        part.mark(rows)
        changed = part.read_rows(rows)
        states = part.layout.view(changed)
        rows_written = part.records(rows, changed)
        records = [*rows_written, part.progress_record(self.source)]
        learned = learned_records([key for key, _ in rows_written], states, self.topics.generation)
        groups = [
            TopicRecords(self.topics.items_state, records, part.partition),
            TopicRecords(self.topics.learned, learned),
            *self.ranker.records(self.topics.learned, part),
        ]
        delivery = self.sink.publish(groups)
        part.deliveries.add(PendingChange(part.sequence, part.processed_offset, len(records), delivery))
        return delivery

    def _settle(self) -> None:
        for part in self.learn.partitions.values():
            part.deliveries.settle()
