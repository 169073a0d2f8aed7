"""Writes again what a replaced worker has written over.

A worker that was paused for long does not know that its partition is another's now: what it still held comes
behind the new owner's records, and compaction would keep the older state. The owner sees it as a gap among its own
records (see `deliveries`), or, where it has nothing to write, as an end of the changelog that is not its own; it
reads what stands there and writes those users again, well within the time for which compaction leaves records alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from streams.kafka.brokers import Brokers
from streams.kafka.reading import Reader
from streams.state.changelog import OWNER_KEY, WATERMARK_KEY, Watermark
from streams.state.layout import Layout
from streams.state.users.partition import UserPartition
from streams.worker.pipeline import Pipeline

log = logging.getLogger(__name__)

# Between looks at the gaps, which cost nothing, and at the ends, which are asked of the broker.
PAUSE_S = 1.0
LOOK_S = 5.0
Gap = tuple[UserPartition, int, int]


def others(records: Iterable[tuple[bytes, bytes | None]], layout: Layout, term: int) -> list[bytes]:
    """Keys of the rows and marks of any term but this, for a gap holds records of our own as well.

    That somebody took a partition over is no state: such records are left out.
    """
    return [key for key, value in records if key != OWNER_KEY and _term(key, value, layout) != term]


def _term(key: bytes, value: bytes | None, layout: Layout) -> int | None:
    """None where the record does not say."""
    if value is not None and key == WATERMARK_KEY:
        return Watermark.of(value).term
    return None if value is None else layout.term(value)


class Guard:
    """Of all partitions of one worker."""

    def __init__(self, pipeline: Pipeline, brokers: Brokers, clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self.pipeline, self.brokers, self.clock = pipeline, brokers, clock
        self._topic = pipeline.settings.topic_state
        self._looked = clock()

    async def run(self) -> None:
        """For ever. Raises ReadError or GaveUpError where the changelog cannot be read."""
        # Ends with the process. Where a worker is told to stop, a thread may be reading with it just now, and a
        # client that is closed in the middle of a call crashes the process, or never returns.
        reader = await self.brokers.ask(Reader, self.brokers.kafka, self._topic, [])
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.step(reader)

    async def step(self, reader: Reader) -> None:
        """Look once, and write again what has to be."""
        ends: dict[int, int] = {}
        if self.clock() - self._looked >= LOOK_S:
            self._looked = self.clock()
            owned = list(self.pipeline.flow.partitions)
            ends = {p: end for p, (_, end) in (await self.brokers.ask(reader.bounds, owned)).items()}
        for part, begin, end in await self.pipeline.on_model(self._gaps, ends):
            records = await self.brokers.ask(reader.between, part.partition, begin, end)
            pairs = [(message.key(), message.value()) for message in records]
            found = others(pairs, part.layout, part.deliveries.term)
            if not found:
                continue
            users = {key.decode() for key in found if key != WATERMARK_KEY}
            log.warning(
                "somebody else wrote %d records of %d users into %s-%d, likely a worker that was paused and "
                "replaced; writing them again",
                len(found),
                len(users),
                self._topic,
                part.partition,
            )
            self.pipeline.metrics.foreign.labels(str(part.partition)).inc(len(found))
            delivered = await self.pipeline.on_model(self.pipeline.publisher.write_again, part, users)
            await asyncio.wrap_future(delivered)

    def _gaps(self, ends: Mapping[int, int]) -> list[Gap]:
        """Gaps that are new; on the model thread. What is lost with this process is found by the next recovery."""
        found: list[Gap] = []
        for number, part in self.pipeline.flow.partitions.items():
            part.deliveries.ends_at(ends.get(number, 0))
            found += [(part, begin, end) for begin, end in part.deliveries.gaps]
            part.deliveries.gaps.clear()
        return found
