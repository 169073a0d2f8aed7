"""Items of the sessions that are most like the user's last items: V-SkNN over the sessions that the items remember.

Ludewig and Jannach, Evaluation of session-based recommendation algorithms, 2018.
"""

from __future__ import annotations

import numpy as np

from streams.items.layout import SESSIONS
from streams.items.signals import NO_KEY, Keys
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import sessions
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.finding.gathering import Gathering
from streams.recommend.finding.sums import Sums
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import each_once, top

NAME = "sessions"
FOUND = 80
# Most similar sessions that count, and the items of each that do.
NEAREST, ITEMS = 100, 100
# What the next older of the user's items counts of the one after it, and how many count.
FALL, LAST = 0.9, 32
STEPS = (FALL ** np.arange(LAST)).astype(np.float32)


class SessionSource(Gathering):
    """The score of an item: the sum of the similarities of the NEAREST sessions that had it.

    A session is as similar as the sum of FALL^k over those of the user's last items that it had. Of equally similar
    ones, that which had the newer item comes first.
    """

    names = (NAME,)

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates, at least. asked: shared with other sources."""
        super().__init__(table, found, 1, asked)
        # Places for the sessions of LAST items, twice as many as there can be.
        self._keys: Keys = np.zeros(2 * LAST * SESSIONS, dtype=np.uint64)
        self._similarities = np.zeros(len(self._keys), dtype=np.float32)

    def _gathered(self, queries: Queries, user: int) -> Sums:
        """The sums of one user."""
        self._table.refresh()
        sums, table = self._sums, self._table
        if sums.hold(queries, user, table, NEAREST * ITEMS):
            return sums
        items = self._asked.items(queries, user, LAST)
        if compiled():
            known, of = (table.rings, self._keys, self._similarities), table.sessions
            own = sums.slots, sums.values, sums.rows
            lists = of.slots, of.heads, of.nodes, NEAREST, ITEMS
            sums.filled(sessions.alike(items, STEPS, *known, *lists, *own))
        else:
            sums.put(*self._added(items))
        return sums

    def _added(self, items: Rows) -> tuple[Rows, Floats]:
        """`sessions.alike` without compiled code: the touched rows and their sums."""
        met: dict[int, np.float32] = {}
        for ring, step in zip(self._table.rings[items].tolist(), STEPS, strict=False):
            for key in ring:
                if key != NO_KEY:
                    met[key] = met.get(key, np.float32(0)) + step
        keys, similarities = (
            np.array(list(met), dtype=np.uint64),
            np.array(list(met.values()), dtype=np.float32),
        )
        nearest = top(similarities, np.arange(len(keys), dtype=np.int32), NEAREST)
        rows, ends = self._table.sessions.items(keys[nearest], ITEMS)
        touched, places = each_once(rows)
        values = np.zeros((len(touched), 1), dtype=np.float32)
        np.add.at(values[:, 0], places, np.repeat(similarities[nearest], np.diff(ends, prepend=0)))
        return touched, values
