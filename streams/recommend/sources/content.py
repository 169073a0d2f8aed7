"""Items whose vectors are nearest to the user's interests: as `recommend.content`, cheaper where few users ask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.kernels.compiling import compiled
from streams.recommend.base import Candidates, Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT, content_scores
from streams.recommend.nearest.coarse import Coarse, within
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import candidates, counting_vectors, largest_products, said_of, top

FOUND = 50
# For more users at once, one product of two matrices is cheaper than one of a matrix and a vector for each.
FEW = 8


class Products:
    """What all items are to one user at a time, by content; sources that share it compute it once. Needs compiled
    code."""

    def __init__(self) -> None:
        self._of: tuple[Queries, int, int] | None = None
        self._coarse: Coarse | None = None
        nothing = np.zeros(0, dtype=np.float32)
        self._vectors, self._bounds = np.zeros((0, 0), dtype=np.float32), (nothing, nothing)

    def best(self, catalog: Catalog, queries: Queries, user: int, out: Mask, k: int) -> tuple[Rows, Floats]:
        """The k best rows that are not out (n,), best first, and their scores: the largest product with one of the
        user's vectors that count, as `exact.dots`."""
        self._hold(catalog, queries, user)
        if not self._vectors.any():
            rows = np.flatnonzero(~out)[:k].astype(np.int32)
            return rows, np.zeros(len(rows), dtype=np.float32)
        rows = within(self._bounds, out, k)
        scores = largest_products(self._vectors, catalog.vectors, rows)
        best = top(scores, rows, k)
        return rows[best], scores[best]

    def _hold(self, catalog: Catalog, queries: Queries, user: int) -> None:
        if self._coarse is None or self._coarse.catalog is not catalog:
            self._coarse, self._of = Coarse(catalog), None
        of = self._of
        if of is None or of[0] is not queries or of[1:] != (user, catalog.changes):
            self._coarse.follow()
            self._of = (queries, user, catalog.changes)
            self._vectors = counting_vectors(queries, user)
            self._bounds = self._coarse.bounds(self._vectors)


class NearestSource:
    """The items of the largest products with one of the user's vectors: the same, to the bit, as `ContentSource`."""

    def __init__(
        self, found: int = FOUND, products: Products | None = None, asked: Asked | None = None
    ) -> None:
        """found: candidates, at least. products, asked: shared with other sources."""
        self._found, self._all = found, ContentSource()
        self._products, self._asked = products or Products(), asked or Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        k = max(k, self._found)
        if not compiled() or len(queries) > FEW:
            return self._all.candidates(catalog, queries, k)
        found = []
        for user in range(len(queries)):
            out = self._asked.banned(catalog, queries, user)
            rows, scores = self._products.best(catalog, queries, user, out, k)
            found.append((rows, {CONTENT: scores}))
        return candidates(found, (CONTENT,))

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        if not compiled():
            said = content_scores(catalog, queries, Candidates(rows, {}))
            return said_of(rows, (CONTENT,), said[None].copy())
        said = np.empty((1, *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            there = own >= 0
            vectors = counting_vectors(queries, user)
            said[0, user, there] = largest_products(vectors, catalog.vectors, own[there])
        return said_of(rows, (CONTENT,), said)
