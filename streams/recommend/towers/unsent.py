"""What towers have learned since it was told last."""

from __future__ import annotations

import numpy as np

from streams.items.slots import doubled
from streams.recommend.base import Floats, Rows
from streams.recommend.towers.towers import Towers


class Unsent:
    """Keeps the vectors of the rows that moved as they were before. Costs memory for these rows alone."""

    def __init__(self, towers: Towers) -> None:
        """towers: tells what it is about to move, from now on."""
        self._towers, towers.before = towers, self._keep
        # Of each row of the towers its place below, -1 for none.
        self._places: Rows = np.zeros(0, dtype=np.int32)
        self._count = 0
        self._rows: Rows = np.zeros(0, dtype=np.int32)
        self._vectors: Floats = np.zeros((0, 2, towers.dim), dtype=np.float32)
        self._squares: Floats = np.zeros((0, 2), dtype=np.float32)

    def __len__(self) -> int:
        """Rows that moved."""
        return self._count

    @property
    def rows(self) -> Rows:
        """(n,) the rows that moved, each once."""
        return self._rows[: self._count]

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
        self._forget(places)

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
        """Which of the rows are kept, and where."""
        self._grow()
        places = self._places[rows]
        there = np.flatnonzero(places >= 0).astype(np.int32)
        return there, places[there]

    def _keep(self, rows: Rows) -> None:
        self._grow()
        new = rows[self._places[rows] < 0]
        if len(new):
            self._enter(np.unique(new), *self._towers.read(np.unique(new)))

    def _enter(self, rows: Rows, vectors: Floats, squares: Floats) -> None:
        first, self._count = self._count, self._count + len(rows)
        for name, given in (("_rows", rows), ("_vectors", vectors), ("_squares", squares)):
            kept = doubled(getattr(self, name), self._count)
            kept[first : self._count] = given
            setattr(self, name, kept)
        self._places[rows] = np.arange(first, self._count, dtype=np.int32)

    def _forget(self, places: Rows) -> None:
        left = np.ones(self._count, dtype=np.bool_)
        left[places] = False
        rows, vectors = self.rows[left], self._vectors[: self._count][left]
        squares = self._squares[: self._count][left]
        self._places[self.rows], self._count = -1, 0
        self._enter(rows, vectors, squares)

    def _grow(self) -> None:
        if len(self._places) < len(self._towers):
            self._places = doubled(self._places, len(self._towers), fill=-1)
