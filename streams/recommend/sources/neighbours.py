"""Items that all users took up after, or before, what the user took up last."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.items.layout import NEIGHBOURS
from streams.items.table import LISTS, RECENT, ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.items import reading
from streams.recommend.base import Candidates, Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import (
    NOTHING,
    Sums,
    each_once,
    moments,
    said_of,
    scored,
    stacked,
    top,
)

# Of each score: the last so many items, of which the next older one counts so much of the one after it.
WINDOWS = ((1, 1.0), (3, 1.0), (10, 0.8), (30, 0.9), (256, 1.0))
NAMES = tuple(f"neighbours_{name}_{last}" for name in LISTS for last, _ in WINDOWS)
FOUND = 220
# A weight below this counts as none, for sums of it may be 0.
FAINT = np.float32(1e-30)


def _steps() -> Floats:
    """(256, 5) what the k-th newest item counts in each window."""
    ages = np.arange(max(last for last, _ in WINDOWS))
    steps = np.stack([np.where(ages < last, fall**ages, 0.0) for last, fall in WINDOWS], axis=1)
    return np.ascontiguousarray(steps, dtype=np.float32)


STEPS = _steps()


class NeighbourSource:
    """The neighbours of the user's last items in both lists.

    The score of item j in a window: sum over the user's last items i_0, i_1, … of
    fall^k * weight(i_k, j) / sqrt(uses of i_k + 3) / (uses of j + 5)^0.25.
    """

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates at least, the best by the largest of their scores, each in parts of the user's largest.

        asked: shared with other sources.
        """
        self._table, self._found, self._asked = table, found, asked or Asked()
        self._sums = Sums(len(NAMES))

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAMES."""
        return scored(self, catalog, queries, k)

    def rows(self, catalog: Catalog, queries: Queries, k: int) -> Rows:
        """See `recommend.base.Finder`."""
        self._table.refresh()
        newest, when, found = self._asked.newest(queries, len(STEPS)), moments(queries, self._table), []
        for user in range(len(queries)):
            touched = self._gather(queries, user, newest[user], int(when[user]))
            values = self._values(touched, self._asked.banned(catalog, queries, user))
            places = top(values, touched, max(k, self._found))
            found.append(touched[places[values[places] > 0]])
        return stacked(found)

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        self._table.refresh()
        newest, when = self._asked.newest(queries, len(STEPS)), moments(queries, self._table)
        said = np.empty((len(NAMES), *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            self._gather(queries, user, newest[user], int(when[user]))
            said[:, user, own >= 0] = self._said(own[own >= 0])
        return said_of(rows, NAMES, said)

    def _said(self, rows: Rows) -> Floats:
        """(8, c) scores of rows (c,) by the sums that are gathered; NaN where a row has none."""
        said = np.empty((len(NAMES), len(rows)), dtype=np.float32)
        if compiled():
            reading.tell(rows, self._sums.values, self._table.uses, said)
            return said
        said[...] = (self._sums.values[rows] * self._shares(rows)[:, None]).T
        said[:, ~said.any(axis=0)] = NOTHING
        return said

    def _shares(self, rows: Rows) -> Floats:
        """(c,) (uses + 5)^-0.25 of each row."""
        shares: Floats = np.float32(1) / np.sqrt(
            np.sqrt(self._table.uses[rows].astype(np.float32) + np.float32(5))
        )
        return shares

    def _gather(self, queries: Queries, user: int, newest: Rows, when: int) -> Rows:
        """Fill in the sums of one user; returns the touched rows. newest: (H,) the user's items."""
        sums, table = self._sums, self._table
        if sums.hold(queries, user, table):
            return sums.touched
        items = newest[newest >= 0]
        scales = np.empty((len(items), 2), dtype=np.float32)
        scales[:] = (1 / np.sqrt(table.uses[items] + 3.0))[:, None]
        scales[:, RECENT] *= table.recent_factors(items, when)
        sums.touched = self._add(items, scales)
        return sums.touched

    def _add(self, items: Rows, scales: Floats) -> Rows:
        neighbours, weights, values = self._table.neighbours, self._table.weights, self._sums.values
        if compiled():
            touched = np.empty(2 * NEIGHBOURS * len(items), dtype=np.int32)
            number = reading.gather(items, scales, STEPS, neighbours, weights, FAINT, values, touched)
            return touched[:number]
        rows, said = neighbours[items], weights[items] * scales[:, :, None]
        there = (rows >= 0) & (said >= FAINT)
        parts, width = said[..., None] * STEPS[: len(items), None, None], STEPS.shape[1]
        for which in range(len(LISTS)):
            chosen, columns = there[:, which], which * width + np.arange(width)
            np.add.at(values, (rows[:, which][chosen][:, None], columns), parts[:, which][chosen])
        return each_once(rows[there])

    def _values(self, touched: Rows, out: Mask) -> Floats:
        """(c,) by what the candidates are chosen; 0 for those that are out."""
        values = np.zeros(len(touched), dtype=np.float32)
        if compiled():
            reading.weigh(touched, self._sums.values, self._table.uses, out, values)
            return values
        said, allowed = self._sums.values[touched] * self._shares(touched)[:, None], ~out[touched]
        largest = said[allowed].max(axis=0, initial=0)
        parts = np.divide(said, largest, out=np.zeros_like(said), where=largest > 0)
        return np.where(allowed, parts.max(axis=1, initial=0), np.float32(0))
