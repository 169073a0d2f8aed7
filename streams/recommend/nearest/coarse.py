"""Bounds of the products of all items: a quarter of the memory to read, and products of small integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.items.slots import doubled
from streams.kernels.requests import coarse
from streams.recommend.base import Floats, Longs, Mask, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.steps import in_steps, queries

# Rows at a time, which bounds memory.
CHUNK = 16_384
ANY: Longs = np.zeros(0, dtype=np.int64)
# (n,) below and above each row's product, and the highest of the latter of every `BLOCK` rows.
Bounds = tuple[Floats, Floats, Floats]


class Coarse:
    """Follows one catalog. Needs compiled code."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._changes = catalog.follow()
        self._bytes = np.zeros((0, catalog.dim), dtype=np.int8)
        self._numbers: Floats = np.zeros((0, 2), dtype=np.float32)

    def follow(self) -> None:
        """Take in what changed. Costs next to nothing where nothing did."""
        if not self._changes:
            return
        rows = self._changes.take()
        self._bytes = doubled(self._bytes, len(self.catalog.item_ids))
        self._numbers = doubled(self._numbers, len(self.catalog.item_ids))
        for first in range(0, len(rows), CHUNK):
            some = rows[first : first + CHUNK]
            self._bytes[some], self._numbers[some] = in_steps(self.catalog.vectors[some])

    def bounds(self, vectors: Floats) -> Bounds:
        """Of each row's largest product with one of the vectors (m, dim), m at least 1."""
        n = len(self.catalog.item_ids)
        lower, upper = np.empty((2, n), dtype=np.float32)
        highest = np.empty(-(-n // coarse.BLOCK), dtype=np.float32)
        known = self._bytes[:n], self._numbers[:n]
        coarse.bounds(*known, *queries(vectors, self.catalog), lower, upper, highest)
        return lower, upper, highest


def within(bounds: Bounds, banned: Mask, k: int, uses: Longs = ANY, below: int = 0) -> Rows:
    """(c,) rows that are not banned (n,) and may be among the k best, rising. uses: (n,) of each row; where it is
    given, only rows of uses below `below` are found."""
    rows: npt.NDArray[np.int32] = np.empty(len(banned), dtype=np.int32)
    return rows[: coarse.within(*bounds, banned, uses, below, k, rows)]
