"""A copy of a state, made by the block between batches, so that no batch waits for the whole of it.

Each row of it tells where its record stands in the changelog, as a recovery would find it: what is out is told by
that, too (see `Claim`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.interest.base import Longs
from streams.state.changelog import SourceTopic, Watermark
from streams.state.deliveries import Handed
from streams.state.layout import Rows
from streams.state.snapshots.snapshot import Snapshot
from streams.state.store import PartitionState

# About 7 MiB: some milliseconds, for the copy's pages are new to the process.
BLOCK = 4_000


def placed(handed: Handed, part: PartitionState, rows: Longs) -> Handed:
    """Such that rows are told where their records stand. rows: (n,) those of the first n records, each once."""

    def stand(begin: int) -> None:
        states = part.layout.view(part.arena)
        kept = states["change"][rows] == handed.change
        kept &= states["term"][rows] == part.deliveries.term
        states["place"][rows[kept]] = begin + np.flatnonzero(kept)

    return replace(handed, stand=stand)


class Copying:
    """Blocks as they are now and then, and at the end once more what has changed meanwhile.

    Every change of a row or its tail bears a number; its place becomes known later. On the model thread.
    """

    def __init__(self, part: PartitionState) -> None:
        self.part, self._done = part, 0
        # As large as the arena, so that there is room for the users that come; memory is taken as it is filled.
        self._rows: Rows = np.empty_like(part.arena)
        self._tails: dict[int, bytes] = {}
        self._users: list[str] = []
        self._mark: Watermark | None = None
        self.offset = 0
        self.change = 0

    def more(self) -> bool:
        """Copy a block; false once none is left."""
        most = min(len(self.part.users), len(self._rows))
        end = min(self._done + BLOCK, most)
        self._copy(np.arange(self._done, end, dtype=np.int64))
        self._done = end
        return end < most

    def finish(self) -> None:
        """The state as it is now: `change` must be delivered before it is saved, `offset` is what it contains."""
        part, done, count = self.part, self._done, len(self.part.users)
        part.deliveries.settle()
        if count > len(self._rows):
            grown = np.empty_like(part.arena)
            grown[:done] = self._rows[:done]
            self._rows = grown
        then, now = (part.layout.view(rows)[:done] for rows in (self._rows, part.arena))
        changed = np.logical_or.reduce([then[name] != now[name] for name in ("term", "change", "place")])
        self._copy(np.concatenate((np.flatnonzero(changed), np.arange(done, count, dtype=np.int64))))
        self._users, self._mark = list(part.users), part.mark
        self.offset, self.change = part.deliveries.contained, part.changes

    def snapshot(self, changelog: SourceTopic, begin: int) -> Snapshot:
        """What was copied; any thread. See `Snapshot` for the arguments. Rows of nobody are left out."""
        assert self._mark is not None, "nothing was written yet"
        users, rows, tails = self._users, self._rows[: len(self._users)], self._tails
        kept = np.flatnonzero(self.part.layout.view(rows)["ids"] > 0)
        if len(kept) < len(rows):
            users, rows = [users[row] for row in kept.tolist()], rows[kept]
            tails = {at: tails[row] for at, row in enumerate(kept.tolist()) if row in tails}
        return Snapshot(self.part.partition, changelog, begin, self.offset, self._mark, users, rows, tails)

    def _copy(self, rows: Longs) -> None:
        self._rows[rows] = self.part.arena[rows]
        tails, pack = self._tails, self.part.tails.pack
        for row in rows.tolist():
            if tail := pack(row):
                tails[row] = tail
            else:
                tails.pop(row, None)
