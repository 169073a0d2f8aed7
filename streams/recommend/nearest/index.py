"""The nearest items of a large catalog, without a look at most of them.

Items lie in cells around centres. A product with an item is that with its centre, give or take what items of the cell
are away from it. Cells are looked into in the order of the largest product that is likely in them, until the k-th
nearest item found is larger than that. What is likely is measured whenever the cells are cut, so that the wished share
of the 100 nearest is found: on queries made of several items, as users' interests are. So a query for which no item is
near looks at more items than one in the middle of a cell. What comes, changes or goes moves into or out of its cell at
once. The cells are cut anew when there are twice or half as many items, or when all have changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.items.slots import doubled
from streams.kernels.items.cells import WIDTH, insert, remove
from streams.kernels.requests.scan import scan
from streams.recommend.base import Floats, Longs, Mask, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.cells import centres, nearest
from streams.recommend.nearest.coarse import ANY
from streams.recommend.nearest.steps import in_steps, queries

# Of the measurement: queries, items that each is made of, and what each counts of the one before.
MEASURED, MADE_OF, FALL = 64, 16, 0.85
# The nearest that are sought, at least: those of which the share is measured.
SOUGHT = 100
# Rows at a time, which bounds memory.
CHUNK = 65_536
# Where perhaps too few can be found: one item in PART is looked at, or FEW.
PART, FEW = 20, 2_000


class CellIndex:
    """Follows one catalog: its live items. Needs compiled code.

    recall: the share of the nearest that was wished. reach: how many times as far as items of a cell are away from its
    centre in one direction, for most, a product in it is likely. looked: items that the last search looked at.
    """

    def __init__(self, catalog: Catalog, recall: float = 0.97, seed: int = 0) -> None:
        """recall: above 0, at most 1; 1 looks at all items. seed: of the cells."""
        self.catalog, self.recall, self.reach = catalog, recall, 0.0
        self._changes, self._seed = catalog.follow(), seed
        self._centres: Floats = np.zeros((0, catalog.dim), dtype=np.float32)
        self._spreads: Floats = np.zeros(0, dtype=np.float32)
        self._seen: Longs = np.zeros(1, dtype=np.int64)
        self._cells: Rows = np.zeros(0, dtype=np.int32)
        self._places: Rows = np.zeros(0, dtype=np.int32)
        self._asked: tuple[Floats, list[tuple[Any, Floats, Floats]]] | None = None
        self._items = self._cut_at = self._changed = 0
        self._empty(0)

    def __len__(self) -> int:
        """Live items."""
        return self._items

    @property
    def looked(self) -> int:
        """See the class."""
        return int(self._seen[0])

    @property
    def bytes(self) -> int:
        """Memory of all arrays."""
        chains = self._blocks, self._numbers, self._rows, self._after, self._first, self._counts
        own = *chains, self._centres, self._cells, self._places, self._found, self._upper
        return sum(array.nbytes for array in own)

    def follow(self) -> None:
        """Take in what changed. Costs next to nothing where nothing did."""
        if not self._changes:
            return
        rows, self._asked = self._changes.take(), None
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

        vectors: not to be changed afterwards. banned: (n,) true for rows that must not be found. uses: (n,) of each
        row; where it is given, only rows of uses below `below` are found. enough: look on until k rows are found;
        otherwise at one item in PART at most.
        """
        if not self._items:
            return np.zeros(0, dtype=np.int32)
        most = self._items if enough else max(self._items // PART, FEW)
        found = []
        for steps, scale, likely in self._likely(vectors):
            asked = likely, most, max(k, SOUGHT), steps, scale, banned, uses, below
            count = scan(*asked, *self._chains(), self._found, self._upper, self._seen)
            found.append(self._found[:count].copy())
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def _likely(self, vectors: Floats) -> list[tuple[Any, Floats, Floats]]:
        """Of each vector what `queries` makes of it, and (c,) the product in each cell above which others are unlikely.

        What was asked last is known.
        """
        if self._asked is None or self._asked[0] is not vectors:
            found = []
            for steps, scale, products in zip(
                *queries(vectors, self.catalog), vectors @ self._centres.T, strict=True
            ):
                far = self._spreads * (np.float32(self.reach) * scale[1])
                likely = products + (far if self.recall < 1 else np.float32(np.inf))
                found.append((steps, scale, likely))
            self._asked = vectors, found
        return self._asked[1]

    def _cut(self) -> None:
        """Choose the centres anew, from what is live now, and put all into their cells."""
        live = np.flatnonzero(self.catalog.live).astype(np.int32)
        self._items, self._cut_at, self._changed = 0, len(live), 0
        self._cells[:] = -1
        number = max(1, min(len(live), round(2 * len(live) ** 0.5)))
        self._empty(number)
        if not len(live):
            return
        rng = np.random.default_rng(self._seed)
        some = live[np.sort(rng.permutation(len(live))[: 32 * number])]
        self._centres = centres(self.catalog.vectors[some], number, self._seed)
        self._insert(live)
        self._spreads = self._spread(live)
        self.reach = self._measured(live, rng)

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

    def _spread(self, live: Rows) -> Floats:
        """(c,) how far the items of each cell are away from its centre in one direction, as a root of mean squares."""
        squares = np.zeros(len(self._centres))
        for begin in range(0, len(live), CHUNK):
            some = live[begin : begin + CHUNK]
            away = self.catalog.vectors[some] - self._centres[self._cells[some]]
            own = np.einsum("nd,nd->n", away, away)
            squares += np.bincount(self._cells[some], own, minlength=len(squares))
        return np.sqrt(squares / np.maximum(self._counts, 1) / self.catalog.dim).astype(np.float32)

    def _measured(self, live: Rows, rng: np.random.Generator) -> float:
        """How far a product must be likely so that the wished share of the nearest are found."""
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
        cells = self._cells[rows]
        centred = np.take_along_axis(asked @ self._centres.T, cells.astype(np.int64), axis=1)
        lengths = np.linalg.norm(asked, axis=1, keepdims=True)
        beyond = (best.min(axis=1, keepdims=True) - centred) / np.maximum(
            self._spreads[cells] * lengths, 1e-30
        )
        return max(0.0, float(np.quantile(beyond, self.recall, method="higher")))
