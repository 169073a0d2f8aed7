"""Items that hardly anybody has used yet, by content: what counts uses never finds them."""

from __future__ import annotations

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.nearest.products import Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NOTHING, counting_vectors, largest_products, top

NAME = "cold"
FOUND = 60


class ColdSource(Finder):
    """The cold items whose vectors are nearest to the user's interests. None while no item was used at all.

    Their scores are these products; a user without an interest gets none.
    """

    names = (NAME,)

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

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`; the best first."""
        self._table.refresh()
        vectors, k, uses = self._vectors(catalog, queries, user), max(k, self._found), self._table.uses
        if not self._table.latest or not vectors.any():
            return np.zeros(0, dtype=np.int32)
        out = self._asked.banned(catalog, queries, user)
        if compiled():
            return self._products.best(catalog, queries, user, out, k, uses)[0]
        rows = np.flatnonzero(~out & (uses < COLD_BELOW)).astype(np.int32)
        return rows[top(largest_products(vectors, catalog.vectors, rows), rows, k)]

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`; it says nothing of items that are not cold."""
        self._table.refresh()
        said[0] = largest_products(self._vectors(catalog, queries, user), catalog.vectors, rows)
        said[0, self._table.uses[rows] >= COLD_BELOW] = NOTHING

    def _vectors(self, catalog: Catalog, queries: Queries, user: int) -> Floats:
        if compiled():
            return self._products.vectors(catalog, queries, user)
        return counting_vectors(queries, user)
