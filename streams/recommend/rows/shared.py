"""The vectors that several processes of one machine have in common, in memory once.

Each process reads the topic for itself, and trusts no other: a vector that it is given it compares with the one that
stands in the arena. Where the bytes are the same, its page is shared; where they are not, it writes its own over it,
and the kernel gives the page a copy (copy-on-write). So whatever the others do, and wherever they are killed, a process
has the vectors that it read.

An arena's vectors are never changed, so an item that changes costs each process a page. Once these are many, the first
process that finds it out publishes a new edition of all vectors, to which the others move.
"""

from __future__ import annotations

import logging
import mmap
import weakref

import numpy as np
import numpy.typing as npt

from streams.recommend.rows.arena import Arena, BusyError
from streams.recommend.rows.base import Floats, enlarged

log = logging.getLogger(__name__)

# A new edition is worth its while where pages of our own hold more than this share of all, and these bytes at least.
SHARE, LEAST_BYTES = 1 / 8, 1 << 20
# Rows compared at once.
CHUNK = 1 << 14


class SharedRows:
    """Rows whose numbers are the same in all processes; see `base.Rows`."""

    def __init__(self, arena: Arena, capacity: int) -> None:
        """capacity: rows to start with; doubled whenever they are full. Raises BusyError, OSError."""
        self.item_ids: list[str] = []
        # None once this process goes on alone.
        self._arena: Arena | None = arena
        self._row_bytes = arena.row_bytes
        # Rows that another process gave, of ids that were not added here; and how far their list was read, in bytes.
        self._given: dict[str, int] = {}
        self._read = 0
        # Pages of `vectors` that changes have made our own since the last move to another edition.
        self._own_pages: set[int] = set()
        with arena.locked() as header:
            self._edition = header.edition
            arena.use(self._edition)
        self.vectors, mapped = arena.view(self._edition, max(capacity, 2 * header.rows))
        # Edition and mapping of all arrays that may be in use still.
        self._mapped = [(self._edition, weakref.ref(mapped))]

    @property
    def shared(self) -> bool:
        """False once this process has left the others."""
        return self._arena is not None

    def add(self, item_id: str, values: Floats) -> int:
        """See Rows."""
        row = self._given.pop(item_id, None)
        if row is None and self._arena is not None:
            try:
                row = self._published(self._arena, item_id, values)
            except BusyError:
                self._go_alone()
        if row is None:
            row = len(self.item_ids)
            self.item_ids.append(item_id)
        if len(self.item_ids) > len(self.vectors):
            self._grow()
        self.write(row, values)
        return row

    def write(self, row: int, values: Floats) -> None:
        """See Rows."""
        if self.vectors[row].tobytes() != values.tobytes():
            self.vectors[row] = values
            if self._arena is not None:
                self._own_pages.update(self._pages(row))

    def settle(self) -> None:
        """See Rows."""
        if self._arena is None:
            return
        try:
            self._settle(self._arena)
        except BusyError:
            self._go_alone()

    def _settle(self, arena: Arena) -> None:
        with arena.locked() as header:
            arena.use(header.edition)
        if header.edition != self._edition or self._costly():
            self._move(arena, header.edition, len(self.vectors))
        if self._costly():
            edition = arena.begin()
            arena.fill(edition, self.vectors[: len(self.item_ids)])
            if arena.publish(edition, instead_of=self._edition):
                self._move(arena, edition, len(self.vectors))
            else:
                arena.leave(edition)
        self._sweep(arena)

    def _published(self, arena: Arena, item_id: str, values: Floats) -> int:
        """The row of an id, as another process or, now, this one has published it."""
        with arena.locked() as header:
            ids, first = arena.ids(self._read, header.ids), len(self.item_ids)
            self._given.update(zip(ids, range(first, first + len(ids)), strict=True))
            self.item_ids += ids
            self._read = header.ids
            row = self._given.pop(item_id, None)
            if row is None:
                self._read = arena.append(header, item_id, values)
                row = header.rows
                self.item_ids.append(item_id)
        return row

    def _pages(self, row: int) -> range:
        begin, end = row * self._row_bytes, (row + 1) * self._row_bytes
        return range(begin // mmap.PAGESIZE, (end - 1) // mmap.PAGESIZE + 1)

    def _costly(self) -> bool:
        all_bytes = len(self.item_ids) * self._row_bytes
        return len(self._own_pages) * mmap.PAGESIZE > max(LEAST_BYTES, SHARE * all_bytes)

    def _grow(self) -> None:
        rows = 2 * len(self.item_ids)
        if self._arena is None:
            self.vectors = enlarged(self.vectors, rows)
        else:
            self._move(self._arena, self._edition, rows)

    def _move(self, arena: Arena, edition: int, rows: int) -> None:
        """Map an edition that is in use, and write over it what differs; all else is shared."""
        old, (self.vectors, mapped) = self.vectors, arena.view(edition, rows)
        self._mapped.append((edition, weakref.ref(mapped)))
        differing = _carry_over(old[: len(self.item_ids)], self.vectors)
        if edition == self._edition:
            self._own_pages &= {page for row in differing.tolist() for page in self._pages(row)}
        else:
            # What differs at a move is no change: the others may have other vectors for good.
            self._edition, self._own_pages = edition, set()

    def _sweep(self, arena: Arena) -> None:
        """Leave the editions of which no array is left, and free those that all have left."""
        before = {edition for edition, _ in self._mapped}
        self._mapped = [(edition, mapped) for edition, mapped in self._mapped if mapped() is not None]
        kept = {edition for edition, _ in self._mapped}
        for edition in before - kept:
            arena.leave(edition)
        if before != kept:
            arena.sweep(kept)

    def _go_alone(self) -> None:
        log.warning(
            "another process holds the shared vectors of the catalog and does not go on: this one keeps its own from "
            "now on, until it is started again"
        )
        self._arena = None
        self.vectors = enlarged(self.vectors, len(self.vectors))


def _carry_over(old: Floats, new: Floats) -> npt.NDArray[np.int64]:
    """Write those rows of `old` (n, dim) into `new` whose bytes differ; which these are."""
    found = [np.zeros(0, dtype=np.int64)]
    for first in range(0, len(old), CHUNK):
        part = slice(first, first + CHUNK)
        ours, theirs = old[part], new[first : first + len(old[part])]
        rows = np.flatnonzero((ours.view(np.uint32) != theirs.view(np.uint32)).any(axis=1))
        theirs[rows] = ours[rows]
        found.append(first + rows)
    return np.concatenate(found)
