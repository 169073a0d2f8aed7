"""What the user has used before, where it may be recommended again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.items.layout import DAY_MS
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.items import histories
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import (
    NOTHING,
    moments,
    said_of,
    scored,
    stacked,
    top,
    use_weights,
)

HALF_LIVES_DAYS = (7, 30, 90)
NAMES = (*(f"own_{days}d" for days in HALF_LIVES_DAYS), "own_uses")
# The half-life by which candidates are chosen, by its place.
CHOOSING = 2
FOUND = 150


class OwnSource:
    """The user's remembered items. Their scores: uses, decayed at each of HALF_LIVES_DAYS, and the number of uses."""

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """table: its time, where the queries have none. found: candidates, at least, the largest sums at 90 days.

        asked: shared with other sources.
        """
        self._table, self._found, self._asked = table, found, asked or Asked()
        self._kept: tuple[Queries, int, int, tuple[Rows, Floats]] | None = None

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAMES."""
        return scored(self, catalog, queries, k)

    def rows(self, catalog: Catalog, queries: Queries, k: int) -> Rows:
        """See `recommend.base.Finder`."""
        found = []
        for user in range(len(queries)):
            rows, sums = self._sums(queries, user)
            allowed = ~self._asked.banned(catalog, queries, user)[rows]
            rows, sums = rows[allowed], sums[allowed]
            best = top(np.ascontiguousarray(sums[:, CHOOSING]), rows, max(k, self._found))
            found.append(rows[best])
        return stacked(found)

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        said = np.full((len(NAMES), *rows.shape), NOTHING, dtype=np.float32)
        for user, own in enumerate(rows):
            items, sums = self._sums(queries, user)
            order = np.argsort(items)
            items, sums = items[order], sums[order]
            if len(items):
                places = np.minimum(np.searchsorted(items, own), len(items) - 1)
                known = items[places] == own
                said[:, user, known] = sums[places[known]].T
        return said_of(rows, NAMES, said)

    def _sums(self, queries: Queries, user: int) -> tuple[Rows, Floats]:
        """The user's items (c,) of a weight above 0, as they come in the history, and their sums (c, 4)."""
        kept, latest = self._kept, self._table.latest
        if kept is None or kept[0] is not queries or kept[1:3] != (user, latest):
            kept = self._kept = queries, user, latest, self._summed(queries, user)
        return kept[3]

    def _summed(self, queries: Queries, user: int) -> tuple[Rows, Floats]:
        rows, weights = queries.history_rows[user], use_weights(queries)[user]
        ages = np.zeros(len(rows))
        if queries.history_times is not None:
            ages = np.maximum(moments(queries, self._table)[user] - queries.history_times[user], 0) / DAY_MS
        decays = np.ones((len(rows), len(NAMES)), dtype=np.float32)
        decays[:, :-1] = np.exp2(-ages[:, None] / np.array(HALF_LIVES_DAYS))
        sums = np.zeros(decays.shape, dtype=np.float32)
        if compiled():
            items = np.empty(len(rows), dtype=np.int32)
            count = histories.frequencies(rows, weights, decays, items, sums)
            return items[:count], sums[:count]
        used = np.flatnonzero((rows >= 0) & (weights > 0))
        items, first, place = np.unique(rows[used], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(items), dtype=np.int64)
        rank[order] = np.arange(len(items))
        np.add.at(sums, rank[place], decays[used])
        return items[order], sums[: len(items)]
