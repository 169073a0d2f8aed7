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
from streams.recommend.sources.reading import banned, candidates, largest_products, said_of, top

FOUND = 50
# For more users at once, one product of two matrices is cheaper than one of a matrix and a vector for each.
FEW = 8


class NearestSource:
    """The items of the largest products with one of the user's vectors: the same, to the bit, as `ContentSource`."""

    def __init__(self, found: int = FOUND) -> None:
        """found: candidates, at least."""
        self._found, self._all = found, ContentSource()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        k = max(k, self._found)
        if not compiled() or len(queries) > FEW:
            return self._all.candidates(catalog, queries, k)
        weighted, active = queries.weighted().astype(np.float32, copy=False), queries.active()
        found = []
        for user in range(len(queries)):
            vectors = np.ascontiguousarray(weighted[user][active[user]])
            rows, scores = _nearest(catalog, vectors, banned(catalog, queries, user), k)
            found.append((rows, {CONTENT: scores}))
        return candidates(found, (CONTENT,))

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        if not compiled():
            said = content_scores(catalog, queries, Candidates(rows, {}))
            return said_of(rows, (CONTENT,), said[None].copy())
        weighted, active = queries.weighted().astype(np.float32, copy=False), queries.active()
        said = np.empty((1, *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            vectors = weighted[user][active[user]]
            there = own >= 0
            said[0, user, there] = largest_products(vectors, catalog.vectors, own[there])
        return said_of(rows, (CONTENT,), said)


def _nearest(catalog: Catalog, vectors: Floats, out: Mask, k: int) -> tuple[Rows, Floats]:
    """The k best rows and their scores, best first. vectors: (m, dim)."""
    if not vectors.any():
        rows = np.flatnonzero(~out)[:k].astype(np.int32)
        return rows, np.zeros(len(rows), dtype=np.float32)
    margins = product_margins(np.linalg.norm(vectors.astype(np.float64), axis=1), catalog)
    products = vectors @ catalog.vectors.T
    rows = np.empty(products.shape[1], dtype=np.int32)
    rows = rows[: nearest.nominate(products, margins, out, k, rows)]
    scores = largest_products(vectors, catalog.vectors, rows)
    best = top(scores, rows, k)
    return rows[best], scores[best]
