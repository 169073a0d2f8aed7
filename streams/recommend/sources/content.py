"""Items whose vectors are nearest to the user's interests: as `recommend.content`, cheaper where few users ask."""

from __future__ import annotations

from streams.kernels.compiling import compiled
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT, content_scores
from streams.recommend.finding.finder import Finder
from streams.recommend.nearest.products import Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import largest_products

FOUND = 50
# For more users at once, one product of two matrices is cheaper than one of a matrix and a vector for each.
FEW = 8


class NearestSource(Finder):
    """The items of the largest products with one of the user's vectors: the same, to the bit, as `ContentSource`.

    Where `products` has an index of the catalog, nearly all of them.
    """

    names = (CONTENT,)

    def __init__(
        self, found: int = FOUND, products: Products | None = None, asked: Asked | None = None
    ) -> None:
        """found: candidates, at least. products, asked: shared with other sources."""
        self._found, self._all = found, ContentSource()
        self._products, self._asked = products or Products(), asked or Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under CONTENT."""
        many = len(queries) > FEW and not self._products.approximate.of(catalog)
        if not compiled() or many:
            return self._all.candidates(catalog, queries, max(k, self._found))
        return super().candidates(catalog, queries, k)

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`; the best first."""
        k = max(k, self._found)
        if not compiled():
            rows: Rows = self._all.candidates(catalog, queries.only(range(user, user + 1)), k).rows[0]
            return rows
        out = self._asked.banned(catalog, queries, user)
        return self._products.best(catalog, queries, user, out, k)[0]

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`."""
        if compiled():
            said[0] = largest_products(self._products.vectors(catalog, queries, user), catalog.vectors, rows)
        else:
            alone = queries.only(range(user, user + 1))
            said[0] = content_scores(catalog, alone, Candidates(rows[None], {}))[0]
