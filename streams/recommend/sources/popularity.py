"""What all users use most: within minutes, and within months."""

from __future__ import annotations

import numpy as np

from streams.items.table import HALF_LIVES, ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import decays
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.learned import arithmetic
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NOTHING, moment

# By `items.layout.HALF_LIVES_MS`.
NAMES = tuple(f"popularity_{half_life}" for half_life in ("10m", "6h", "1d", "7d", "30d", "90d"))
FOUND = 30


class PopularitySource(Finder):
    """The items of the largest decayed sums of uses at each half-life. Scores are these sums as of the moment."""

    names = NAMES

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates of each half-life, at least. asked: shared with other sources."""
        self._table, self._found, self._asked = table, found, asked or Asked()

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`."""
        self._table.refresh()
        out = self._asked.banned(catalog, queries, user)
        return self._table.leaders.first(max(k, self._found), out).ravel()

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`; it says nothing of items that were never used."""
        self._table.refresh()
        table, when = self._table, moment(queries, user, self._table)
        if compiled():
            decays.popular(rows, when, table.newest, table.uses, table.sums, HALF_LIVES, said)
            return
        elapsed, sums = np.maximum(when - table.newest[rows], 0).astype(np.float64), table.sums[rows]
        for own, half_life, of in zip(said, HALF_LIVES, sums.T, strict=True):
            own[...] = of * arithmetic.decays(elapsed, half_life)
        said[:, table.uses[rows] == 0] = NOTHING
