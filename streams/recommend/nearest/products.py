"""What items are to one user at a time, by content: all of them, or in a large catalog the nearest ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.signals import Longs
from streams.kernels.compiling import compiled
from streams.kernels.requests import nearest
from streams.recommend.base import Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.coarse import ANY, Bounds, Coarse, within
from streams.recommend.nearest.index import CellIndex
from streams.recommend.sources.reading import counting_vectors


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
        self._bounds: Bounds | None = None
        self._some = False

    def best(
        self, catalog: Catalog, queries: Queries, user: int, out: Mask, k: int, uses: Longs = ANY
    ) -> tuple[Rows, Floats]:
        """The k best rows that are not out (n,), best first, and their scores: the largest product with one of the
        user's vectors that count, as `exact.dots`.

        uses: (n,) of each row; where it is given, only cold items are found. Of them an index finds fewer than k where
        those that it looks at hold no more.
        """
        vectors = self.vectors(catalog, queries, user)
        if not self._some:
            rows = np.flatnonzero(~out if not len(uses) else ~out & (uses < COLD_BELOW))[:k].astype(np.int32)
            return rows, np.zeros(len(rows), dtype=np.float32)
        if self._index is not None:
            rows = self._index.search(vectors, out, k, uses, COLD_BELOW, enough=not len(uses))
        else:
            rows = within(self._known_bounds(), out, k, uses, COLD_BELOW)
        found, scores = np.empty(min(k, len(rows)), dtype=np.int32), np.empty(min(k, len(rows)), np.float32)
        nearest.best(vectors, catalog.vectors, rows, k, found, scores)
        return found, scores

    def vectors(self, catalog: Catalog, queries: Queries, user: int) -> Floats:
        """(m, dim) see `counting_vectors`."""
        self._follow(catalog)
        of, content = self._of, catalog.changes + catalog.removals
        if of is None or of[0] is not queries or of[1] != user or of[2] != content:
            self._of = queries, user, content
            self._vectors, self._bounds = counting_vectors(queries, user), None
            self._some = bool(self._vectors.any())
        return self._vectors

    def _known_bounds(self) -> Bounds:
        assert self._coarse is not None
        if self._bounds is None:
            self._bounds = self._coarse.bounds(self._vectors)
        return self._bounds

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
