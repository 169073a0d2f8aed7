"""Items that hardly anybody has used yet, by content: what counts uses never finds them."""

from __future__ import annotations

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.products import Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import candidates, counting_vectors, largest_products, top

NAME = "cold"
FOUND = 60


class ColdSource:
    """The cold items whose vectors are nearest to the user's interests. None while no item was used at all.

    Their scores are these products; a user without an interest gets none.
    """

    def __init__(
        self,
        table: ItemTable,
        found: int = FOUND,
        products: Products | None = None,
        asked: Asked | None = None,
    ) -> None:
        """found: candidates, at least. products, asked: shared with other sources."""
        self._table, self._found = table, found
        self._products, self._asked = products or Products(), asked or Asked()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAME."""
        self._table.refresh()
        found = []
        for user in range(len(queries)):
            rows, products = self._nearest(catalog, queries, user, max(k, self._found))
            found.append((rows, {NAME: products}))
        return candidates(found, (NAME,))

    def _nearest(self, catalog: Catalog, queries: Queries, user: int, k: int) -> tuple[Rows, Floats]:
        if not self._table.latest or not queries.weighted()[user].any():
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        out = self._asked.banned(catalog, queries, user)
        if compiled():
            return self._products.best(catalog, queries, user, out, k, self._table.uses)
        rows = np.flatnonzero(~out & (self._table.uses < COLD_BELOW)).astype(np.int32)
        products = largest_products(counting_vectors(queries, user), catalog.vectors, rows)
        best = top(products, rows, k)
        return rows[best], products[best]
