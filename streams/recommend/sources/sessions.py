"""Items of the sessions that are most like the user's last items: V-SkNN over the sessions that the items remember.

Ludewig and Jannach, Evaluation of session-based recommendation algorithms, 2018.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.items.layout import SESSIONS
from streams.items.signals import NO_KEY, Keys
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.items import reading
from streams.recommend.base import Candidates, Floats, Longs, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import (
    NOTHING,
    Sums,
    each_once,
    said_of,
    scored,
    stacked,
    top,
)

NAME = "sessions"
FOUND = 80
# Most similar sessions that count, and the items of each that do.
NEAREST, ITEMS = 100, 100
# What the next older of the user's items counts of the one after it, and how many count.
FALL, LAST = 0.9, 32
STEPS = (FALL ** np.arange(LAST)).astype(np.float32)


class SessionSource:
    """The score of an item: the sum of the similarities of the NEAREST sessions that had it.

    A session is as similar as the sum of FALL^k over those of the user's last items that it had. Of equally similar
    ones, that which had the newer item comes first.
    """

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates, at least. asked: shared with other sources."""
        self._table, self._found, self._sums, self._asked = table, found, Sums(1), asked or Asked()
        # Places for the sessions of LAST items, twice as many as there can be.
        self._keys: Keys = np.zeros(2 * LAST * SESSIONS, dtype=np.uint64)
        self._similarities = np.zeros(len(self._keys), dtype=np.float32)

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAME."""
        return scored(self, catalog, queries, k)

    def rows(self, catalog: Catalog, queries: Queries, k: int) -> Rows:
        """See `recommend.base.Finder`."""
        self._table.refresh()
        newest, found = self._asked.newest(queries, LAST), []
        for user in range(len(queries)):
            touched = self._gather(queries, user, newest[user])
            touched = touched[~self._asked.banned(catalog, queries, user)[touched]]
            places = top(self._sums.values[touched, 0], touched, max(k, self._found))
            found.append(touched[places])
        return stacked(found)

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        self._table.refresh()
        newest = self._asked.newest(queries, LAST)
        said = np.empty((1, *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            self._gather(queries, user, newest[user])
            sums = self._sums.values[own[own >= 0], 0]
            said[0, user, own >= 0] = np.where(sums > 0, sums, NOTHING)
        return said_of(rows, (NAME,), said)

    def _gather(self, queries: Queries, user: int, newest: Rows) -> Rows:
        """Fill in the sums of one user; returns the touched rows. newest: (H,) the user's items."""
        sums, table = self._sums, self._table
        if sums.hold(queries, user, table):
            return sums.touched
        keys, similarities = self._similar(newest[newest >= 0])
        nearest = top(similarities, np.arange(len(keys), dtype=np.int32), NEAREST)
        rows, ends = table.sessions.items(keys[nearest], ITEMS)
        sums.touched = self._spread(rows, ends, similarities[nearest])
        return sums.touched

    def _similar(self, items: Rows) -> tuple[Keys, Floats]:
        """The sessions of these items and how similar each is, (n,), in the order in which they are met."""
        if compiled():
            found, slots = (
                np.empty(items.size * SESSIONS, np.uint64),
                np.empty(items.size * SESSIONS, np.int32),
            )
            rings = self._table.rings
            count = reading.similar(items, STEPS, rings, self._keys, self._similarities, found, slots)
            self._keys[slots[:count]] = NO_KEY
            return found[:count], self._similarities[slots[:count]]
        sums: dict[int, np.float32] = {}
        for ring, step in zip(self._table.rings[items].tolist(), STEPS, strict=False):
            for key in ring:
                if key != NO_KEY:
                    sums[key] = sums.get(key, np.float32(0)) + step
        keys = np.array(list(sums), dtype=np.uint64)
        return keys, np.array(list(sums.values()), dtype=np.float32)

    def _spread(self, rows: Rows, ends: Longs, said: Floats) -> Rows:
        values = self._sums.values[:, 0]
        if compiled():
            touched = np.empty(len(rows), dtype=np.int32)
            return touched[: reading.spread(rows, ends, said, values, touched)]
        np.add.at(values, rows, np.repeat(said, np.diff(ends, prepend=0)))
        return each_once(rows)
