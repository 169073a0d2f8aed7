"""The nearest items of a large catalog, without a look at most of them.

Items lie in cells around centres; of a query, the cells with the largest products of their centres are looked into.
How many items it takes to find the wished share of the 100 nearest is measured whenever the cells are cut: on queries
made of several items, as users' interests are. What comes, changes or goes moves into or out of its cell at once. The
cells are cut anew when there are twice or half as many items, or when all have changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.items.slots import doubled
from streams.kernels.items.cells import WIDTH, insert, remove, scan
from streams.recommend.base import Floats, Longs, Mask, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.cells import centres, nearest
from streams.recommend.nearest.steps import in_steps, queries

# Of the measurement: queries, items that each is made of, what each counts of the one before, and the nearest sought.
MEASURED, MADE_OF, FALL, SOUGHT = 64, 16, 0.85, 100
# Rows at a time, which bounds memory.
CHUNK = 65_536
ANY: Longs = np.zeros(0, dtype=np.int64)


class CellIndex:
    """Follows one catalog: its live items. Needs compiled code.

    wanted: items that are looked at for a query. recall: the share of the nearest that was wished.
    """

    def __init__(self, catalog: Catalog, recall: float = 0.97, seed: int = 0) -> None:
        """recall: above 0, at most 1; 1 looks at all items. seed: of the cells."""
        self.catalog, self.recall, self.wanted = catalog, recall, 0
        self._changes, self._seed = catalog.follow(), seed
        self._centres: Floats = np.zeros((0, catalog.dim), dtype=np.float32)
        self._cells: Rows = np.zeros(0, dtype=np.int32)
        self._places: Rows = np.zeros(0, dtype=np.int32)
        self._items = self._cut_at = self._changed = 0
        self._empty(0)

    def __len__(self) -> int:
        """Live items."""
        return self._items

    @property
    def bytes(self) -> int:
        """Memory of all arrays."""
        chains = self._blocks, self._numbers, self._rows, self._after, self._first, self._counts
        own = *chains, self._centres, self._cells, self._places, self._found, self._upper
        return sum(array.nbytes for array in own)

    def follow(self) -> None:
        """Take in what changed. Costs next to nothing where nothing did."""
        rows = self._changes.take()
        if not len(rows):
            return
        self._cells = doubled(self._cells, len(self.catalog.item_ids), fill=-1)
        self._places = doubled(self._places, len(self.catalog.item_ids), fill=-1)
        there = rows[self._cells[rows] >= 0]
        remove(there, self._cells[there], *self._chains(), self._places, self._used)
        self._cells[there] = -1
        self._items -= len(there)
        self._changed += len(rows)
        live = rows[self.catalog.live[rows]]
        items = self._items + len(live)
        if not self._cut_at / 2 <= items <= 2 * self._cut_at or self._changed > items:
            self._cut()
        else:
            self._insert(live)

    def search(
        self, vectors: Floats, banned: Mask, k: int, uses: Longs = ANY, below: int = 0, enough: bool = True
    ) -> Rows:
        """(c,) distinct rows that may be among the k items of the largest products with one of the vectors (m, dim).

        banned: (n,) true for rows that must not be found. uses: (n,) of each row; where it is given, only rows of
        uses below `below` are found. enough: further cells are looked into until k rows are found.
        """
        if not self._items:
            return np.zeros(0, dtype=np.int32)
        most = self._items if enough else min(4 * self.wanted, self._items)
        found = []
        for query, products in zip(queries(vectors, self.catalog), vectors @ self._centres.T, strict=True):
            order = np.argsort(-products, kind="stable")
            asked = query.steps, query.step, query.length, query.more, banned, uses, below
            count = scan(order, self.wanted, most, k, *asked, *self._chains(), self._found, self._upper)
            found.append(self._found[:count].copy())
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def _cut(self) -> None:
        """Choose the centres anew, from what is live now, and put all into their cells."""
        live = np.flatnonzero(self.catalog.live).astype(np.int32)
        self._items, self._cut_at, self._changed = 0, len(live), 0
        self._cells[:] = -1
        number = max(1, round(2 * len(live) ** 0.5))
        self._empty(number)
        if not len(live):
            return
        rng = np.random.default_rng(self._seed)
        some = live[np.sort(rng.permutation(len(live))[: 32 * number])]
        self._centres = centres(self.catalog.vectors[some], number, self._seed)
        self._insert(live)
        self.wanted = self._measured(live, rng)

    def _empty(self, cells: int) -> None:
        dim = self.catalog.dim
        self._blocks = np.zeros((0, WIDTH, dim), dtype=np.int8)
        self._numbers: Floats = np.zeros((0, WIDTH, 2), dtype=np.float32)
        self._rows: Rows = np.zeros((0, WIDTH), dtype=np.int32)
        self._after: Rows = np.zeros(0, dtype=np.int32)
        self._first: Rows = np.full(cells, -1, dtype=np.int32)
        self._counts: Rows = np.zeros(cells, dtype=np.int32)
        self._places = np.full(len(self._cells), -1, dtype=np.int32)
        self._used: Longs = np.zeros(2, dtype=np.int64)
        self._found: Rows = np.zeros(0, dtype=np.int32)
        self._upper: Floats = np.zeros(0, dtype=np.float32)

    def _chains(self) -> tuple[Any, ...]:
        return self._blocks, self._numbers, self._rows, self._after, self._first, self._counts

    def _insert(self, rows: Rows) -> None:
        for begin in range(0, len(rows), CHUNK):
            some = rows[begin : begin + CHUNK]
            vectors = self.catalog.vectors[some]
            cells = nearest(vectors, self._centres).astype(np.int32)
            # In each cell one more block may be opened than its new rows fill.
            more = int(self._used[0]) + len(some) // WIDTH + min(len(some), len(self._centres)) + 1
            for name in ("_blocks", "_numbers", "_rows", "_after"):
                setattr(self, name, doubled(getattr(self, name), more))
            insert(some, cells, *in_steps(vectors), *self._chains(), self._places, self._used)
            self._cells[some] = cells
            self._items += len(some)
        # Room for all that one query can find.
        self._found = doubled(self._found, self._items + 1)
        self._upper = doubled(self._upper, self._items + 1)

    def _measured(self, live: Rows, rng: np.random.Generator) -> int:
        """Items to look at so that the wished share of the nearest are among them."""
        vectors = self.catalog.vectors
        made = vectors[rng.choice(live, (MEASURED, MADE_OF))]
        asked = (made * (FALL ** np.arange(MADE_OF, dtype=np.float32))[:, None]).sum(axis=1)
        sought = min(SOUGHT, len(live))
        best = np.full((MEASURED, sought), -np.inf, dtype=np.float32)
        rows = np.zeros((MEASURED, sought), dtype=np.int32)
        for begin in range(0, len(live), CHUNK):
            some = live[begin : begin + CHUNK]
            products = np.concatenate((best, asked @ vectors[some].T), axis=1)
            all_rows = np.concatenate((rows, np.broadcast_to(some, (MEASURED, len(some)))), axis=1)
            chosen = np.argpartition(-products, sought - 1, axis=1)[:, :sought]
            best = np.take_along_axis(products, chosen, axis=1)
            rows = np.take_along_axis(all_rows, chosen, axis=1)
        order = np.argsort(-(asked @ self._centres.T), axis=1)
        seen = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(seen, order, np.cumsum(self._counts[order], axis=1), axis=1)
        needed = np.take_along_axis(seen, self._cells[rows].astype(np.int64), axis=1)
        return int(np.quantile(needed, self.recall, method="higher"))
