"""Items whose vectors are nearest to the user's interests: as `recommend.content`, cheaper where few users ask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.kernels.compiling import compiled
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT, content_scores
from streams.recommend.nearest.products import Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import counting_vectors, largest_products, said_of

FOUND = 50
# For more users at once, one product of two matrices is cheaper than one of a matrix and a vector for each.
FEW = 8


class NearestSource:
    """The items of the largest products with one of the user's vectors: the same, to the bit, as `ContentSource`.

    Where `products` has an index of the catalog, nearly all of them.
    """

    def __init__(
        self, found: int = FOUND, products: Products | None = None, asked: Asked | None = None
    ) -> None:
        """found: candidates, at least. products, asked: shared with other sources."""
        self._found, self._all = found, ContentSource()
        self._products, self._asked = products or Products(), asked or Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        k = max(k, self._found)
        many = len(queries) > FEW and not self._products.approximate.of(catalog)
        if not compiled() or many:
            return self._all.candidates(catalog, queries, k)
        return self._products.candidates(catalog, queries, k, self._asked)

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
