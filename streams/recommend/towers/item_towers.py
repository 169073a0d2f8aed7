"""The two-tower vectors of all items, which one worker or many teach."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from streams.items.slots import doubled
from streams.items.towers import DIM, PARTS, WINDOWS, TowerChanges
from streams.recommend.base import Floats, Longs, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.rows.changes import Changes
from streams.recommend.towers.towers import FIRST, LATELY, Towers, starts
from streams.recommend.towers.unsent import Unsent

# What float16 holds.
HIGHEST = np.float32(65504)
SEED = 0


class ItemTowers:
    """One `Towers` of each window. Vectors are those of the content plus what was learned, here and elsewhere.

    Not thread-safe. uses: that they have learned from, all together. lessons: of these, since it was told last.
    """

    def __init__(self) -> None:
        self.each = tuple(Towers(DIM, fall=window.fall) for window in WINDOWS)
        self.uses = self.lessons = 0
        self._rows = 0
        self._start: Floats = np.zeros((0, DIM), dtype=np.float32)
        # Uses of each row, here and elsewhere; and those since it was told last.
        self._known: Longs = np.zeros(0, dtype=np.int64)
        self._own: dict[int, int] = {}
        self._unsent: tuple[Unsent, ...] | None = None
        self._catalog: Catalog | None = None
        self._content: Changes | None = None
        self._changes = -1

    def share(self) -> None:
        """From now on remember what is learned until it is told."""
        if self._unsent is None:
            self._unsent = tuple(Unsent(towers) for towers in self.each)

    @property
    def unsent(self) -> int:
        """Items of which something was learned that was not told; an item may count twice."""
        return len(self._own) + sum(map(len, self._unsent or ()))

    def follow(self, catalog: Catalog) -> None:
        """Have a row for each item of the catalog, which begins as its content.

        Where an item has another content now, its vectors begin there, and keep what they have learned.
        """
        first, rows = self._rows, len(catalog.item_ids)
        if rows > first:
            self._start, self._known = doubled(self._start, rows), doubled(self._known, rows)
            self._start[first:rows], self._rows = starts(catalog.vectors[first:], DIM), rows
            for towers in self.each:
                towers.grow(catalog.vectors)
        if catalog is not self._catalog:
            self._catalog, self._content, self._changes = catalog, catalog.follow(), -1
        if catalog.changes != self._changes and self._content is not None:
            self._changes = catalog.changes
            self._begin_elsewhere(self._content.take(), catalog)

    def learn(self, histories: Sequence[Rows], used: Collection[int]) -> None:
        """These rows were used after those of the histories, of each window, newest first."""
        for towers, window, history in zip(self.each, WINDOWS, histories, strict=True):
            if towers.uses == 0 and self.uses > 0:
                towers.begin(*self._drawable())
            if window.together:
                towers.learn_together(history, used, window.last)
            else:
                towers.learn(history, used)
        self.uses += len(used)
        self.lessons += len(used)
        self._known[list(used)] += 1
        if self._unsent is not None:
            for row in used:
                self._own[row] = self._own.get(row, 0) + 1

    def take(self, most: int | None = None) -> tuple[Rows, TowerChanges]:
        """What was learned since the last call, of these rows, rising; it counts as told. What is told is rounded, and
        the vectors go on from there.

        most: rows, those that moved furthest; the others are told later.
        """
        parts, self.lessons = self._unsent or (), 0
        own = np.fromiter(self._own, dtype=np.int32, count=len(self._own))
        rows: Rows = np.unique(np.concatenate((own, *(part.rows for part in parts))))
        if most is not None and most < len(rows):
            far = np.sum([part.distances(rows) for part in parts], axis=0)
            rows = rows[np.sort(np.argpartition(-far, most)[:most])]
        vectors = np.zeros((len(rows), PARTS, DIM), dtype=np.float32)
        squares = np.zeros((len(rows), PARTS), dtype=np.float32)
        for place, part in enumerate(parts):
            vectors[:, 2 * place : 2 * place + 2], squares[:, 2 * place : 2 * place + 2] = part.moved(rows)
        uses = np.array([self._own.pop(row, 0) for row in rows.tolist()], dtype=np.int64)
        told = TowerChanges(uses, squares, np.clip(vectors, -HIGHEST, HIGHEST).astype(np.float16))
        for place, part in enumerate(parts):
            own_part = slice(2 * place, 2 * place + 2)
            part.settle(rows, told.vectors[:, own_part].astype(np.float32), squares[:, own_part])
        return rows, told

    def put(self, rows: Rows, uses: Longs, squares: Floats, sums: Floats) -> None:
        """Of these rows (n,), each once, so much was told and learned, here and elsewhere.

        uses: (n,). squares: (n, PARTS). sums: (n, PARTS, DIM) of changes. What was not told stays on top.
        """
        whole, grown = self._start[rows][:, None] + sums, FIRST + squares
        for place, part in enumerate(self._unsent or ()):
            own_part = slice(2 * place, 2 * place + 2)
            part.rebase(rows, whole[:, own_part], grown[:, own_part])
        known = uses + np.array([self._own.get(row, 0) for row in rows.tolist()], dtype=np.int64)
        self.uses += int((known - self._known[rows]).sum())
        self._known[rows] = known
        for towers in self.each:
            if towers.uses:
                towers.meet(rows[known > 0])

    def _drawable(self) -> tuple[Rows, Rows]:
        """As many rows as are drawn from the last uses, each as often as it was used; and all used ones."""
        used = np.flatnonzero(self._known).astype(np.int32)
        ends = np.cumsum(self._known[used])
        places = np.searchsorted(ends, (np.arange(LATELY) + 0.5) * ends[-1] / LATELY, side="right")
        popular: Rows = np.random.default_rng(SEED).permutation(used[places])
        return popular, used

    def _begin_elsewhere(self, rows: Rows, catalog: Catalog) -> None:
        now = starts(catalog.vectors[rows], DIM)
        moved = np.flatnonzero((now != self._start[rows]).any(axis=1))
        rows, now = rows[moved], now[moved]
        by = now - self._start[rows]
        self._start[rows] = now
        for towers in self.each:
            vectors, squares = towers.read(rows)
            towers.write(rows, vectors + by[:, None], squares)
        for part in self._unsent or ():
            part.shift(rows, by)
