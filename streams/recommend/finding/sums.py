"""Sums by catalog row for one user at a time, of the rows that the user's items lead to."""

from __future__ import annotations

import numpy as np

from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import choosing
from streams.recommend.base import Floats, Mask, Queries, Rows
from streams.recommend.sources.reading import NOTHING, top


class Sums:
    """They are kept until another user is asked for: candidates are found and scored by the same sums.

    values: (c, w) of the touched rows, in the order in which they were met; zeros behind them. rows: (c,) of these.
    slots: (n,) of each catalog row, its place among them, counted from 1; 0 for none.
    """

    def __init__(self, width: int) -> None:
        """width: numbers of each row."""
        self.slots: Rows = np.zeros(0, dtype=np.int32)
        self.rows: Rows = np.zeros(0, dtype=np.int32)
        self.values: Floats = np.zeros((0, width), dtype=np.float32)
        self._count = 0
        self._of: tuple[Queries, int, int] | None = None

    @property
    def touched(self) -> Rows:
        """(c,)"""
        return self.rows[: self._count]

    def hold(self, queries: Queries, user: int, table: ItemTable, room: int) -> bool:
        """True where they are this user's already; otherwise they are zeros from now on, and said to be this user's.

        room: for so many touched rows.
        """
        of = self._of
        if of is not None and of[0] is queries and of[1] == user and of[2] == table.version:
            return True
        self._of = (queries, user, table.version)
        self._clear()
        if len(table) > len(self.slots):
            self.slots = np.zeros(2 * len(table), dtype=np.int32)
        if room >= len(self.rows):
            self.rows = np.zeros(2 * room + 1, dtype=np.int32)
            self.values = np.zeros((2 * room + 1, self.values.shape[1]), dtype=np.float32)
        return False

    def filled(self, count: int) -> None:
        """A compiled loop has touched so many rows."""
        self._count = count

    def put(self, touched: Rows, values: Floats) -> None:
        """What such a loop does: rows (c,), each once, and their sums (c, w)."""
        self._count = len(touched)
        self.rows[: len(touched)], self.values[: len(touched)] = touched, values
        self.slots[touched] = np.arange(1, len(touched) + 1)

    def best(self, out: Mask, k: int) -> Rows:
        """Those of the touched rows that are not out (n,) and have the k largest values above 0.

        A row's value is the largest of its sums, each in parts of the largest of its kind.
        """
        touched, values = self.touched, self.values[: self._count]
        if compiled():
            found = np.empty(self._count, dtype=np.int32)
            return found[: choosing.pick(touched, values, out, k, found)]
        allowed = ~out[touched]
        largest = values[allowed].max(axis=0, initial=0)
        parts = np.divide(np.float32(1), largest, out=np.zeros_like(largest), where=largest > 0)
        worth = np.where(allowed, (values * parts).max(axis=1, initial=0), np.float32(0))
        places = top(worth, touched, k)
        return touched[np.sort(places[worth[places] > 0])]

    def tell(self, rows: Rows, said: Floats) -> None:
        """Write the sums (w, c) of these rows (c,), NaN for those that were not touched."""
        if compiled():
            choosing.tell(rows, self.slots, self.values, said)
            return
        slots = self.slots[rows]
        said[...] = np.where(slots > 0, self.values[slots - 1].T, NOTHING)

    def _clear(self) -> None:
        if compiled():
            choosing.clear(self.touched, self.slots, self.values)
        else:
            self.slots[self.touched], self.values[: self._count] = 0, 0
        self._count = 0
