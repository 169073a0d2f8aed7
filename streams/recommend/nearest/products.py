"""What items are to one user at a time, by content: all of them, or in a large catalog the nearest ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.signals import Longs
from streams.kernels.compiling import compiled
from streams.recommend.base import Candidates, Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content_ranker import CONTENT
from streams.recommend.nearest.coarse import Coarse, within
from streams.recommend.nearest.index import ANY, CellIndex
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import candidates, counting_vectors, largest_products, top

NOTHING = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Approximate:
    """Where an index is asked. above: items of the catalog; 0 for never. recall: see `CellIndex`."""

    above: int = 0
    recall: float = 0.97

    def of(self, catalog: Catalog) -> bool:
        """True where this catalog has an index. It needs compiled code; without it all is exact."""
        return 0 < self.above < len(catalog) and compiled()


EXACT = Approximate()


class Products:
    """Sources that share it compute it once for a user. Needs compiled code.

    By an index, some of the nearest may be missed; what is found has its exact score.
    """

    def __init__(self, approximate: Approximate = EXACT) -> None:
        self.approximate = approximate
        self._of: tuple[Queries, int, int] | None = None
        self._coarse: Coarse | None = None
        self._index: CellIndex | None = None
        self._vectors: Floats = np.zeros((0, 0), dtype=np.float32)
        self._bounds = NOTHING, NOTHING

    def candidates(self, catalog: Catalog, queries: Queries, k: int, asked: Asked) -> Candidates:
        """The k best of each user, under CONTENT. asked: says who may not be recommended."""
        found = []
        for user in range(len(queries)):
            out = asked.banned(catalog, queries, user)
            rows, scores = self.best(catalog, queries, user, out, k)
            found.append((rows, {CONTENT: scores}))
        return candidates(found, (CONTENT,))

    def best(
        self, catalog: Catalog, queries: Queries, user: int, out: Mask, k: int, uses: Longs = ANY
    ) -> tuple[Rows, Floats]:
        """The k best rows that are not out (n,), best first, and their scores: the largest product with one of the
        user's vectors that count, as `exact.dots`.

        uses: (n,) of each row; where it is given, only cold items are found. Of them an index finds fewer than k where
        those that it looks at hold no more.
        """
        self._hold(catalog, queries, user)
        indexed = self._index is not None and self._vectors.any()
        if len(uses) and not indexed:
            out = out | (uses >= COLD_BELOW)
        if not self._vectors.any():
            rows = np.flatnonzero(~out)[:k].astype(np.int32)
            return rows, np.zeros(len(rows), dtype=np.float32)
        if self._index is None:
            rows = within(self._bounds, out, k)
        else:
            rows = self._index.search(self._vectors, out, k, uses, COLD_BELOW, enough=not len(uses))
        scores = largest_products(self._vectors, catalog.vectors, rows)
        best = top(scores, rows, k)
        return rows[best], scores[best]

    def _hold(self, catalog: Catalog, queries: Queries, user: int) -> None:
        self._follow(catalog)
        of = self._of
        if of is None or of[0] is not queries or of[1:] != (user, catalog.changes + catalog.removals):
            self._of = (queries, user, catalog.changes + catalog.removals)
            self._vectors = counting_vectors(queries, user)
            if self._coarse is not None:
                self._bounds = self._coarse.bounds(self._vectors)

    def _follow(self, catalog: Catalog) -> None:
        """Know this catalog as it is."""
        if self.approximate.of(catalog):
            if self._index is None or self._index.catalog is not catalog:
                self._index, self._of = CellIndex(catalog, self.approximate.recall), None
            self._coarse = None
            self._index.follow()
            return
        if self._coarse is None or self._coarse.catalog is not catalog:
            self._coarse, self._of = Coarse(catalog), None
        self._index = None
        self._coarse.follow()
