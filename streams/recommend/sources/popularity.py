"""What all users use most: within minutes, and within months."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.items.table import ItemTable
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NOTHING, distinct, moments, said_of, scored, stacked

# By `items.layout.HALF_LIVES_MS`.
NAMES = tuple(f"popularity_{half_life}" for half_life in ("10m", "6h", "1d", "7d", "30d", "90d"))
FOUND = 30


class PopularitySource:
    """The items of the largest decayed sums of uses at each half-life. Scores are these sums as of the moment."""

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates of each half-life, at least. asked: shared with other sources."""
        self._table, self._found, self._asked = table, found, asked or Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAMES."""
        return scored(self, catalog, queries, k)

    def rows(self, catalog: Catalog, queries: Queries, k: int) -> Rows:
        """See `recommend.base.Finder`."""
        self._table.refresh()
        found = []
        for user in range(len(queries)):
            out = self._asked.banned(catalog, queries, user)
            found.append(distinct(self._table.leaders.first(max(k, self._found), out)))
        return stacked(found)

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`; it says nothing of items that were never used."""
        self._table.refresh()
        when = moments(queries, self._table)
        said = np.empty((len(NAMES), *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            items = own[own >= 0]
            sums = self._table.decayed(items, int(when[user]))
            sums[self._table.uses[items] == 0] = NOTHING
            said[:, user, own >= 0] = sums.T
        return said_of(rows, NAMES, said)
