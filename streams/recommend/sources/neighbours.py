"""Items that all users took up after, or before, what the user took up last."""

from __future__ import annotations

import numpy as np

from streams.items.layout import BLOCK_MS, NEIGHBOURS, RECENT_HALF_LIFE_MS
from streams.items.table import LISTS, RECENT, ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import decays, neighbours
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.finding.gathering import Gathering
from streams.recommend.finding.sums import Sums
from streams.recommend.learned import arithmetic
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import each_once, fades, moment

# Of each score: the last so many items, of which the next older one counts so much of the one after it.
WINDOWS = ((1, 1.0), (3, 1.0), (10, 0.8), (30, 0.9), (256, 1.0))
NAMES = tuple(f"neighbours_{name}_{last}" for name in LISTS for last, _ in WINDOWS)
FOUND = 220
# A weight below this counts as none, for sums of it may be 0.
FAINT = np.float32(1e-30)


# (256, 5) what the k-th newest item counts in each window.
STEPS = fades(WINDOWS, max(last for last, _ in WINDOWS))


class NeighbourSource(Gathering):
    """The neighbours of the user's last items in both lists.

    The score of item j in a window: sum over the user's last items i_0, i_1, … of
    fall^k * weight(i_k, j) / sqrt(uses of i_k + 3) / (uses of j + 5)^0.25.
    """

    names = NAMES

    def __init__(self, table: ItemTable, found: int = FOUND, asked: Asked | None = None) -> None:
        """found: candidates at least, the best by the largest of their scores, each in parts of the user's largest.

        asked: shared with other sources.
        """
        super().__init__(table, found, len(NAMES), asked)

    def _gathered(self, queries: Queries, user: int) -> Sums:
        """The sums of one user."""
        self._table.refresh()
        sums, table, items = self._sums, self._table, self._asked.items(queries, user, len(STEPS))
        if sums.hold(queries, user, table, 2 * NEIGHBOURS * len(items)):
            return sums
        scales = self._scales(items, moment(queries, user, table))
        if compiled():
            known = table.neighbours, table.weights, table.uses
            own = sums.slots, sums.values, sums.rows
            sums.filled(neighbours.gather(items, scales, STEPS, *known, FAINT, *own))
        else:
            sums.put(*self._added(items, scales))
        return sums

    def _scales(self, items: Rows, when: int) -> Floats:
        """(h, 2) by what the weights of these items' neighbours are multiplied."""
        found, table = np.empty((len(items), 2), dtype=np.float32), self._table
        if compiled():
            decays.scales(items, when, table.uses, table.blocks, BLOCK_MS, RECENT_HALF_LIFE_MS, found)
            return found
        found[:] = (1 / np.sqrt(table.uses[items] + 3.0))[:, None]
        elapsed = np.maximum(when - table.blocks[items] * BLOCK_MS, 0).astype(np.float64)
        found[:, RECENT] *= arithmetic.decays(elapsed, RECENT_HALF_LIFE_MS).astype(np.float32)
        return found

    def _added(self, items: Rows, scales: Floats) -> tuple[Rows, Floats]:
        """`neighbours.gather` without compiled code: the touched rows and their sums."""
        rows, said = self._table.neighbours[items], self._table.weights[items] * scales[:, :, None]
        there = (rows >= 0) & (said >= FAINT)
        parts, width = said[..., None] * STEPS[: len(items), None, None], STEPS.shape[1]
        touched, at = each_once(rows[there])
        places, values = np.zeros(rows.shape, dtype=np.int64), np.zeros((len(touched), 2 * width), np.float32)
        places[there] = at
        for which in range(len(LISTS)):
            chosen, columns = there[:, which], which * width + np.arange(width)
            np.add.at(values, (places[:, which][chosen][:, None], columns), parts[:, which][chosen])
        uses = self._table.uses[touched].astype(np.float32)
        values *= (np.float32(1) / np.sqrt(np.sqrt(uses + np.float32(5))))[:, None]
        return touched, values
