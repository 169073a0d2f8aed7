"""A copy of a state, made by the block between batches, so that no batch waits for the whole copy.

Each row says at which changelog offset its record stands, as a recovery would find it: which outputs are delivered
depends on that, too (see `OutputProgress`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.interest.base import Longs
from streams.state.changelog import Progress, TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.layout import Rows
from streams.state.snapshots.snapshot import Snapshot
from streams.state.store import PartitionState

# About 7 MiB: some milliseconds, for the copy's pages are new to the process.
BLOCK = 4_000


def with_record_offsets(
    pending: PendingChange, part: PartitionState, rows: Longs, first: int = 0
) -> PendingChange:
    """The same, but once delivered it writes each record's offset into its row. rows: (n,) of n records from `first`
    on."""

    def on_offset(begin: int) -> None:
        states = part.layout.view(part.arena)
        kept = states["sequence"][rows] == pending.sequence
        kept &= states["epoch"][rows] == part.deliveries.epoch
        states["record_offset"][rows[kept]] = begin + first + np.flatnonzero(kept)

    return replace(pending, on_offset=on_offset)


class Copying:
    """Copies block by block, and at the end once more the rows that have changed meanwhile.

    Every change of a row or its variable part has a number; the offset of its record becomes known later. On the model
    thread.
    """

    def __init__(self, part: PartitionState) -> None:
        self.part, self._done = part, 0
        # As large as the arena, so that there is room for new keys; memory is taken only as it is filled.
        self._rows: Rows = np.empty_like(part.arena)
        self._tails: dict[int, bytes] = {}
        self._keys: list[str] = []
        self._progress: Progress | None = None
        self.offset = 0
        self.sequence = 0

    def more(self) -> bool:
        """Copy a block; false once none is left."""
        most = min(len(self.part.keys), len(self._rows))
        end = min(self._done + BLOCK, most)
        self._copy(np.arange(self._done, end, dtype=np.int64))
        self._done = end
        return end < most

    def finish(self) -> None:
        """Complete the copy as of now. It contains the changelog up to `offset`; save it once `sequence` is
        delivered."""
        part, done, count = self.part, self._done, len(self.part.keys)
        part.deliveries.settle()
        if count > len(self._rows):
            grown = np.empty_like(part.arena)
            grown[:done] = self._rows[:done]
            self._rows = grown
        then, now = (part.layout.view(rows)[:done] for rows in (self._rows, part.arena))
        changed = np.logical_or.reduce(
            [then[name] != now[name] for name in ("epoch", "sequence", "record_offset")]
        )
        self._copy(np.concatenate((np.flatnonzero(changed), np.arange(done, count, dtype=np.int64))))
        self._keys, self._progress = list(part.keys), part.progress
        self.offset, self.sequence = part.deliveries.contained, part.sequence

    def snapshot(self, changelog: TopicIdentity, begin: int) -> Snapshot:
        """What was copied, without free rows; any thread. See `Snapshot` for the arguments."""
        assert self._progress is not None, "nothing was written yet"
        keys, rows, variable_parts = self._keys, self._rows[: len(self._keys)], self._tails
        kept = np.flatnonzero(self.part.layout.view(rows)["accepted"] > 0)
        if len(kept) < len(rows):
            keys, rows = [keys[row] for row in kept.tolist()], rows[kept]
            variable_parts = {
                at: variable_parts[row] for at, row in enumerate(kept.tolist()) if row in variable_parts
            }
        return Snapshot(
            self.part.partition, changelog, begin, self.offset, self._progress, keys, rows, variable_parts
        )

    def _copy(self, rows: Longs) -> None:
        self._rows[rows] = self.part.arena[rows]
        variable_parts, pack = self._tails, self.part.variable_parts.pack
        for row in rows.tolist():
            if tail := pack(row):
                variable_parts[row] = tail
            else:
                variable_parts.pop(row, None)
