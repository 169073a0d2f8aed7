"""What towers have learned since it was told last."""

from __future__ import annotations

import numpy as np

from streams.items.slots import doubled
from streams.kernels.compiling import compiled
from streams.kernels.items import towers as kernels
from streams.recommend.base import Floats, Longs, Rows
from streams.recommend.towers.towers import Towers


class Unsent:
    """Keeps copies of the vectors of the rows that moved, as they were before. Costs memory for these rows alone."""

    def __init__(self, towers: Towers) -> None:
        """towers: tells what it is about to move, from now on."""
        self._towers, towers.before = towers, self._keep
        # Of each row of the towers the place of its copy, -1 for none.
        self._places: Rows = np.zeros(0, dtype=np.int32)
        # As in `kernels.items.towers.keep`.
        self._counts: Longs = np.zeros(2, dtype=np.int64)
        self._free: Rows = np.zeros(0, dtype=np.int32)
        self._kept: Rows = np.zeros(0, dtype=np.int32)
        self._vectors: Floats = np.zeros((0, 2, towers.dim), dtype=np.float32)
        self._squares: Floats = np.zeros((0, 2), dtype=np.float32)

    def __len__(self) -> int:
        """Rows that moved."""
        return int(self._counts[0] - self._counts[1])

    @property
    def rows(self) -> Rows:
        """(n,) the rows that moved, each once."""
        kept = self._kept[: self._counts[0]]
        return kept[kept >= 0]

    def distances(self, rows: Rows) -> Floats:
        """(n,) square of how far the two vectors of each row have moved since."""
        self._grow(0)
        found: Floats = np.zeros(len(rows), dtype=np.float32)
        if compiled():
            both = self._towers.ins, self._towers.outs
            kernels.distances(rows, self._places[rows], self._vectors, *both, found)
            return found
        moved = self.moved(rows)[0]
        for d in range(self._towers.dim):
            found += moved[:, 0, d] ** 2 + moved[:, 1, d] ** 2
        return found

    def moved(self, rows: Rows) -> tuple[Floats, Floats]:
        """(n, 2, dim) by how much the vectors of these rows have moved since, and (n, 2) AdaGrad's sums; else 0."""
        there, places = self._found(rows)
        now = self._towers.read(rows[there])
        vectors = np.zeros((len(rows), 2, self._towers.dim), dtype=np.float32)
        squares = np.zeros((len(rows), 2), dtype=np.float32)
        vectors[there], squares[there] = now[0] - self._vectors[places], now[1] - self._squares[places]
        return vectors, squares

    def settle(self, rows: Rows, vectors: Floats, squares: Floats) -> None:
        """Of these rows so much, as `moved` has it, counts as told: they are what they were before and that."""
        there, places = self._found(rows)
        before = self._vectors[places], self._squares[places]
        self._towers.write(rows[there], before[0] + vectors[there], before[1] + squares[there])
        self._places[rows[there]], self._kept[places] = -1, -1
        first = int(self._counts[1])
        self._counts[1] += len(places)
        self._free[first : self._counts[1]] = places

    def rebase(self, rows: Rows, vectors: Floats, squares: Floats) -> None:
        """These rows are what is given (n, 2, dim), (n, 2), with what they moved since on top of it."""
        more = self.moved(rows)
        there, places = self._found(rows)
        self._vectors[places], self._squares[places] = vectors[there], squares[there]
        self._towers.write(rows, vectors + more[0], squares + more[1])

    def shift(self, rows: Rows, by: Floats) -> None:
        """Both vectors of these rows begin elsewhere (n, dim)."""
        there, places = self._found(rows)
        self._vectors[places] += by[there, None]

    def _found(self, rows: Rows) -> tuple[Rows, Rows]:
        """Which of the rows have copies, and where."""
        self._grow(0)
        places = self._places[rows]
        there = np.flatnonzero(places >= 0).astype(np.int32)
        return there, places[there]

    def _keep(self, rows: Rows) -> None:
        self._grow(len(rows))
        own = self._towers
        state = (self._places, self._counts, self._free, self._kept, self._vectors, self._squares)
        now = own.ins, own.outs, own.in_squares, own.out_squares
        if compiled():
            kernels.keep(np.ascontiguousarray(rows), *state, *now)
        else:
            self._keep_plainly(rows)

    def _keep_plainly(self, rows: Rows) -> None:
        """`kernels.keep` without compiled code."""
        for row in rows.tolist():
            if self._places[row] >= 0:
                continue
            if self._counts[1] > 0:
                self._counts[1] -= 1
                place = int(self._free[self._counts[1]])
            else:
                place = int(self._counts[0])
                self._counts[0] += 1
            self._places[row], self._kept[place] = place, row
            one = np.array([row], dtype=np.int32)
            self._vectors[place], self._squares[place] = (part[0] for part in self._towers.read(one))

    def _grow(self, more: int) -> None:
        """Have a place for each row of the towers, and room for so many more copies."""
        self._places = doubled(self._places, len(self._towers), fill=-1)
        if (needed := int(self._counts[0]) + more) > len(self._kept):
            for name in ("_free", "_kept", "_vectors", "_squares"):
                setattr(self, name, doubled(getattr(self, name), needed))
