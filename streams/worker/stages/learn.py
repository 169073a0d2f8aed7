"""What users' events say of items, into the states of the items of a partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from streams.events.records import SourceRecord
from streams.events.rejections import Reason, Rejected
from streams.flow.learning.records import NoSignalsError, read_ranker_sums, read_signals
from streams.flow.learning.tower_records import read_towers
from streams.kafka.member.batches import RecordBatch
from streams.state import removed
from streams.state.items.partition import ItemPartition
from streams.state.items.said import Said, SaidOfItems
from streams.worker.stages.outputs import Outputs, Refusal

# Signals that may wait in all partitions, of 80 bytes each.
MOST_WAITING = 1 << 18


def uncounted(_: Counter[str]) -> None:
    """Nobody asks what becomes of signals."""


class Learn:
    """Of one worker; owns the items' states.

    States change in memory alone: `worker.learning.flushing` writes them, some batches at once. A batch counts as done
    before that, for after a crash the changelog says where to read on, and not the group's offset. And they are folded
    many records at once: when they are written, or where very much waits.
    """

    name, needs_catalog = "learn", False

    def __init__(
        self,
        merge: Callable[[bytes], None] = lambda _: None,
        count: Callable[[Counter[str]], None] = uncounted,
        events: str | None = None,
    ) -> None:
        """merge: takes what a worker's ranker has learned. count: takes what became of signals. events: the canonical
        topic, of whose events alone signals may be; None for any."""
        self._merge, self._count, self._events = merge, count, events
        self.partitions: dict[int, ItemPartition] = {}

    def start(self, batch: RecordBatch) -> Outputs:
        """Take in a batch; what is no record of signals is rejected."""
        part = self.partitions[batch.partition]
        if batch.removed is not None:
            removed.book(part, batch.removed[1])
        said, rejected, passed = list[Said](), list[Refusal](), part.taken_offset
        for record in batch.records:
            if (sums := read_ranker_sums(record)) is not None:
                if record.offset > passed:
                    self._merge(sums)
                    passed = record.offset
                continue
            try:
                said.append(self._read(record, part))
            except NoSignalsError as error:
                rejected.append((record, Rejected(Reason.FOREIGN_FORMAT, str(error), self.name)))
        part.take(said, max([passed, *(one.offset for one in said)]))
        if part.waiting * len(self.partitions) >= MOST_WAITING:
            self.settle(part)
        return Outputs(rejected=rejected)

    def _read(self, record: SourceRecord, part: ItemPartition) -> Said:
        said = read_towers(record) or read_signals(record)
        if isinstance(said, SaidOfItems) and self._events not in (None, said.stream.rpartition("/")[0]):
            raise NoSignalsError(f"signals of events of {said.stream[:100]}, and not of {self._events}")
        if part.misnamed(said):
            raise NoSignalsError("an item's key is not that of its id")
        return said

    def settle(self, part: ItemPartition) -> None:
        """Fold what waits in a partition."""
        self._count(part.settle())
