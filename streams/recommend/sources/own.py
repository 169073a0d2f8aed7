"""What the user has used before, where it may be recommended again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from streams.items.layout import DAY_MS
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import decays
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.gathering import Gathering
from streams.recommend.finding.sums import Sums
from streams.recommend.learned import arithmetic
from streams.recommend.learned.arithmetic import Doubles
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import each_once, moment, top
from streams.recommend.sources.returns import Returns

HALF_LIVES_DAYS = (7, 30, 90)
HALF_LIVES = np.array(HALF_LIVES_DAYS, dtype=np.float64) * DAY_MS
SUMS = (*(f"own_{days}d" for days in HALF_LIVES_DAYS), "own_uses")
NAMES = (*SUMS, "own_again")
# The half-life by which candidates are chosen, by its place.
CHOOSING = 2
FOUND = 150


class OwnSource(Gathering):
    """The user's remembered items. Their scores: uses, decayed at each of HALF_LIVES_DAYS, and the number of uses; and
    this number times how often users come back to the item, which it learns where it is told what users used next.
    """

    names = NAMES

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """table: its time, where the queries have none. found: candidates, at least, the largest sums at 90 days.

        asked: shared with other sources.
        """
        super().__init__(table, found, len(SUMS), asked)
        self._returns = Returns()

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`."""
        sums = self._gathered(queries, user)
        allowed = np.flatnonzero(~self._asked.banned(catalog, queries, user)[sums.touched])
        rows, most = sums.touched[allowed], max(k, self._found)
        if len(rows) <= most:
            return rows
        return rows[np.sort(top(np.ascontiguousarray(sums.values[allowed, CHOOSING]), rows, most))]

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`."""
        uses = len(SUMS) - 1
        super().tell(catalog, queries, user, rows, said[: len(SUMS)])
        said[-1] = said[uses] * self._returns.rates(rows)

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`. What it has learned ends with it; until it is learned again, all items count alike."""
        for user, rows in enumerate(used):
            self._returns.learn(self._asked.items(queries, user, queries.history_rows.shape[1]), rows)

    def _gathered(self, queries: Queries, user: int) -> Sums:
        """The sums of one user, of the items of a weight above 0 as they come in the history."""
        self._table.refresh()
        sums, rows, when = self._sums, queries.history_rows[user], 0
        if sums.hold(queries, user, self._table, len(rows)):
            return sums
        weights, times = self._asked.weights(queries)[user], np.zeros(len(rows), dtype=np.int64)
        if queries.history_times is not None:
            when, times = moment(queries, user, self._table), queries.history_times[user]
        if compiled():
            own = sums.slots, sums.values, sums.rows
            sums.filled(decays.own(rows, weights, times, when, HALF_LIVES, *own))
        else:
            sums.put(*_added(rows, weights, np.maximum(when - times, 0).astype(np.float64)))
        return sums


def _added(rows: Rows, weights: Floats, ages: Doubles) -> tuple[Rows, Floats]:
    """`decays.own` without compiled code: the items and their sums."""
    used = np.flatnonzero((rows >= 0) & (weights > 0))
    counts = np.ones((len(used), len(SUMS)), dtype=np.float32)
    for place, half_life in enumerate(HALF_LIVES):
        counts[:, place] = arithmetic.decays(ages[used], half_life)
    items, places = each_once(rows[used])
    sums = np.zeros((len(items), len(SUMS)), dtype=np.float32)
    np.add.at(sums, places, counts)
    return items, sums
