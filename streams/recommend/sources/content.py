"""Items whose vectors are nearest to the user's interests: as `recommend.content`, cheaper where few users ask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.kernels.compiling import compiled
from streams.kernels.items import nearest
from streams.recommend.base import Candidates, Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource, product_margins
from streams.recommend.content_ranker import CONTENT, content_scores
from streams.recommend.sources.reading import (
    banned,
    candidates,
    counting_vectors,
    largest_products,
    said_of,
    top,
)

FOUND = 50
# For more users at once, one product of two matrices is cheaper than one of a matrix and a vector for each.
FEW = 8


class Products:
    """What all items are to one user at a time, by content; sources that share it compute it once."""

    def __init__(self) -> None:
        self._of: tuple[Queries, int, Catalog, int] | None = None
        self._vectors = self._products = np.zeros((0, 0), dtype=np.float32)
        self._margins: Floats = np.zeros(0, dtype=np.float32)

    def best(self, catalog: Catalog, queries: Queries, user: int, out: Mask, k: int) -> tuple[Rows, Floats]:
        """The k best rows that are not out (n,), best first, and their scores: the largest product with one of the
        user's vectors that count, as `exact.dots`. Needs compiled code."""
        self._hold(catalog, queries, user)
        vectors, products = self._vectors, self._products
        if not vectors.any():
            rows = np.flatnonzero(~out)[:k].astype(np.int32)
            return rows, np.zeros(len(rows), dtype=np.float32)
        rows = np.empty(products.shape[1], dtype=np.int32)
        rows = rows[: nearest.nominate(products, self._margins, out, k, rows)]
        scores = largest_products(vectors, catalog.vectors, rows)
        best = top(scores, rows, k)
        return rows[best], scores[best]

    def _hold(self, catalog: Catalog, queries: Queries, user: int) -> None:
        of = self._of
        if (
            of is None
            or of[0] is not queries
            or of[2] is not catalog
            or (of[1], of[3]) != (user, catalog.changes)
        ):
            self._of = (queries, user, catalog, catalog.changes)
            self._vectors = counting_vectors(queries, user)
            self._products = self._vectors @ catalog.vectors.T
            lengths = np.linalg.norm(self._vectors.astype(np.float64), axis=1)
            self._margins = product_margins(lengths, catalog)


class NearestSource:
    """The items of the largest products with one of the user's vectors: the same, to the bit, as `ContentSource`."""

    def __init__(self, found: int = FOUND, products: Products | None = None) -> None:
        """found: candidates, at least. products: shared with other sources."""
        self._found, self._all, self._products = found, ContentSource(), products or Products()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        k = max(k, self._found)
        if not compiled() or len(queries) > FEW:
            return self._all.candidates(catalog, queries, k)
        found = []
        for user in range(len(queries)):
            out = banned(catalog, queries, user)
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
