"""Publishes states again that a replaced worker has overwritten with older ones.

A worker that was paused for long does not know that its partition is another's now: what it still held comes
behind the new owner's records, and compaction would keep the older state. The owner sees it as a gap among its own
records (see `deliveries`), or, where it has nothing to write, as an end of the changelog that is not its own; it
reads what stands there and writes those keys again, well within the time for which compaction leaves records alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeVar

from sinks.base import Delivery
from streams.kafka.brokers import Brokers
from streams.kafka.reading import Reader
from streams.ops.metrics import Metrics
from streams.state.changelog import OWNER_KEY, PROGRESS_KEY, Progress
from streams.state.layout import Layout
from streams.state.store import PartitionState
from streams.worker.threads import ModelThread

log = logging.getLogger(__name__)

# Between looks at the gaps, which cost nothing, and at the ends, which are asked of the broker.
PAUSE_S = 1.0
LOOK_S = 5.0
P = TypeVar("P", bound=PartitionState)


def others(records: Iterable[tuple[bytes, bytes | None]], layout: Layout, epoch: int) -> list[bytes]:
    """Keys of the rows and progress records that another epoch wrote; a gap may hold records of our own, too.

    Records that say who owns a partition are no state: they are left out.
    """
    return [key for key, value in records if key != OWNER_KEY and _epoch(key, value, layout) != epoch]


def _epoch(key: bytes, value: bytes | None, layout: Layout) -> int | None:
    """None where the record does not say."""
    if value is not None and key == PROGRESS_KEY:
        return Progress.of(value).epoch
    return None if value is None else layout.epoch(value)


class Guard(Generic[P]):
    """Of all partitions of one changelog that are one worker's."""

    def __init__(
        self,
        topic: str,
        owned: Mapping[int, P],
        write_again: Callable[[P, Collection[str]], Delivery],
        model: ModelThread,
        brokers: Brokers,
        metrics: Metrics,
        clock: Callable[[], float],
        kind: str = "users",
    ) -> None:
        """topic: the changelog. owned: the partitions that are this worker's now.

        write_again: called on the model thread with keys to publish once more. clock: monotonic seconds. kind: what
        the keys are called.
        """
        self._topic, self.owned, self.write_again = topic, owned, write_again
        self.model, self.brokers, self.metrics, self.clock, self.kind = model, brokers, metrics, clock, kind
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
            asked = list(self.owned)
            ends = {p: end for p, (_, end) in (await self.brokers.ask(reader.bounds, asked)).items()}
        for part, begin, end in await self.model.run(self._gaps, ends):
            records = await self.brokers.ask(reader.between, part.partition, begin, end)
            pairs = [(message.key(), message.value()) for message in records]
            found = others(pairs, part.layout, part.deliveries.epoch)
            if not found:
                continue
            keys = {key.decode() for key in found if key != PROGRESS_KEY}
            log.warning(
                "somebody else wrote %d records of %d %s into %s-%d, likely a worker that was paused and "
                "replaced; writing them again",
                len(found),
                len(keys),
                self.kind,
                self._topic,
                part.partition,
            )
            self.metrics.foreign.labels(str(part.partition)).inc(len(found))
            delivered = await self.model.run(self.write_again, part, keys)
            await asyncio.wrap_future(delivered)

    def _gaps(self, ends: Mapping[int, int]) -> list[tuple[P, int, int]]:
        """New gaps. On the model thread. If this process ends before they are handled, the next recovery finds them."""
        found: list[tuple[P, int, int]] = []
        for number, part in self.owned.items():
            part.deliveries.observe_end(ends.get(number, 0))
            found += [(part, begin, end) for begin, end in part.deliveries.gaps]
            part.deliveries.gaps.clear()
        return found
