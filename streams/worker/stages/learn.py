"""What users' events say of items, into the states of the items of a partition."""

from __future__ import annotations

from collections.abc import Callable

from streams.events.rejections import Reason, Rejected
from streams.flow.learning.records import NoSignalsError, read_ranker_sums, read_signals
from streams.flow.learning.tower_records import read_towers
from streams.kafka.member.batches import RecordBatch
from streams.state import removed
from streams.state.items.partition import ItemPartition
from streams.state.items.said import SaidOfItems, SaidOfTowers
from streams.worker.stages.outputs import Outputs, Refusal


class Learn:
    """Of one worker; owns the items' states.

    States change in memory alone: `worker.learning.flushing` writes them, some batches at once. A batch counts as done
    before that, for after a crash the changelog says where to read on, and not the group's offset.
    """

    name, needs_catalog = "learn", False

    def __init__(self, merge: Callable[[bytes], None] = lambda _: None) -> None:
        """merge: takes what a worker's ranker has learned."""
        self._merge = merge
        self.partitions: dict[int, ItemPartition] = {}

    def start(self, batch: RecordBatch) -> Outputs:
        """Take in a batch; what is no record of signals is rejected."""
        part = self.partitions[batch.partition]
        if batch.removed is not None:
            removed.book(part, batch.removed[1])
        said, rejected, passed = list[SaidOfItems | SaidOfTowers](), list[Refusal](), part.processed_offset
        for record in batch.records:
            if (sums := read_ranker_sums(record)) is not None:
                if record.offset > passed:
                    self._merge(sums)
                    passed = record.offset
                continue
            try:
                said.append(read_towers(record) or read_signals(record))
            except NoSignalsError as error:
                rejected.append((record, Rejected(Reason.FOREIGN_FORMAT, str(error), self.name)))
        outcomes = part.fold(said)
        part.processed_offset = max(part.processed_offset, passed)
        return Outputs(rejected=rejected, outcomes=outcomes)
