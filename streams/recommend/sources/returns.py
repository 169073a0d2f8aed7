"""How often users come back to an item that they have used."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from streams.items.slots import doubled
from streams.recommend.base import Floats, Longs, Rows

# Before anything is known of an item, one use in five is by a user who knew it.
KNOWN_AGAIN, KNOWN = 1, 5


class Returns:
    """Counts uses by catalog row: those by users who had used the item before, and all."""

    def __init__(self) -> None:
        self._counts: Longs = np.zeros((0, 2), dtype=np.int64)

    def learn(self, known: Rows, used: Collection[int]) -> None:
        """A user who had used the rows `known` (h,) has used these."""
        rows = max(used, default=-1) + 1
        if rows > len(self._counts):
            self._counts = doubled(self._counts, rows)
        for row in used:
            self._counts[row] += (row in known, 1)

    def rates(self, rows: Rows) -> Floats:
        """(c,) the share of uses that were a return, of these rows; between 0 and 1."""
        counts = np.zeros((len(rows), 2), dtype=np.int64)
        there = rows < len(self._counts)
        counts[there] = self._counts[rows[there]]
        rates: Floats = ((counts[:, 0] + KNOWN_AGAIN) / (counts[:, 1] + KNOWN)).astype(np.float32)
        return rates
