"""Which items are used most, at each half-life, as of any moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.items.layout import HALF_LIVES_MS
from streams.items.signals import Longs
from streams.items.slots import Rows, doubled
from streams.kernels.compiling import compiled
from streams.kernels.items.table import pick, promote

Doubles = npt.NDArray[np.float64]

# Kept in order, of each half-life: as many as any user may have used without finding too few others.
LEADERS = 512


class Leaders:
    """The items of the largest decayed sums. All sums fall alike, so their order does not depend on the moment.

    It is that of log2(sum) + (time of the sum) / (half-life).
    """

    def __init__(self) -> None:
        number = len(HALF_LIVES_MS)
        self._keys: Doubles = np.full((0, number), -np.inf)
        self._rows: Rows = np.full((number, LEADERS), -1, dtype=np.int32)
        self._counts: Longs = np.zeros(number, dtype=np.int64)
        self._whole = True

    def grow(self, rows: int) -> None:
        """There are so many rows."""
        new = doubled(self._keys, rows)
        new[len(self._keys) :] = -np.inf
        self._keys = new

    def update(self, rows: Rows, sums: Doubles, newest: Longs) -> None:
        """These rows (m,), each once, have these sums (m, 6) as of these times (m,), milliseconds."""
        with np.errstate(divide="ignore"):
            changed = np.log2(sums) + newest[:, None] / np.array(HALF_LIVES_MS, dtype=np.float64)
        moved = np.flatnonzero((changed != self._keys[rows]).any(axis=1))
        if not len(moved):
            return
        if compiled():
            self._whole &= bool(promote(rows[moved], changed[moved], self._keys, self._rows, self._counts))
            return
        self._keys[rows[moved]] = changed[moved]
        self._sort()

    def first(self, number: int, banned: npt.NDArray[np.bool_]) -> Rows:
        """(6, number) the first rows that are not banned, of each half-life; -1 after the last. banned: (n,)."""
        if not self._whole:
            self._sort()
        found = np.full((len(HALF_LIVES_MS), number), -1, dtype=np.int32)
        if compiled():
            pick(self._rows, self._counts, banned, found)
        else:
            for own, rows, count in zip(found, self._rows, self._counts.tolist(), strict=True):
                allowed = rows[:count][~banned[rows[:count]]][:number]
                own[: len(allowed)] = allowed
        if found[:, -1:].min(initial=0) == 0:
            return found
        for which in np.flatnonzero((found[:, -1] < 0) & (self._counts == LEADERS)).tolist():
            # The user has used nearly all of them.
            found[which] = self._search(which, number, banned)
        return found

    def _search(self, which: int, number: int, banned: npt.NDArray[np.bool_]) -> Rows:
        keys = np.where(banned, -np.inf, self._keys[: len(banned), which])
        found = np.full(number, -1, dtype=np.int32)
        order = np.lexsort((np.arange(len(keys)), -keys))[:number]
        allowed = order[keys[order] > -np.inf]
        found[: len(allowed)] = allowed
        return found

    def _sort(self) -> None:
        """Find the leaders among all rows."""
        for which in range(len(HALF_LIVES_MS)):
            keys = self._keys[:, which]
            rows = np.lexsort((np.arange(len(keys)), -keys))[:LEADERS]
            rows = rows[keys[rows] > -np.inf]
            self._rows[which, : len(rows)], self._counts[which] = rows, len(rows)
        self._whole = True
