"""The nearest items of a large catalog, by an index."""

from __future__ import annotations

from streams.recommend.base import Candidates, CandidateSource, Queries
from streams.recommend.catalog import Catalog
from streams.recommend.content_ranker import CONTENT
from streams.recommend.nearest.products import Approximate, Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import candidates


class IndexedSource:
    """Asks an exact source where the catalog has no index."""

    def __init__(self, exact: CandidateSource, approximate: Approximate) -> None:
        self._exact, self._approximate = exact, approximate
        self._products, self._asked = Products(approximate), Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        if not self._approximate.of(catalog):
            return self._exact.candidates(catalog, queries, k)
        found = []
        for user in range(len(queries)):
            out = self._asked.banned(catalog, queries, user)
            rows, scores = self._products.best(catalog, queries, user, out, k)
            found.append((rows, scores[None]))
        return candidates(found, (CONTENT,))
