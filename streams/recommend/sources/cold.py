"""Items that hardly anybody has used yet, by content: what counts uses never finds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.nearest.products import Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NO_ROWS, NOTHING, counting_vectors, largest_products, top

NAME = "cold"
FOUND = 60
# Where cold items are lifted, more of them are found, by these last items: the next older one counts so much of the one
# after it. On films this finds twice as many of those that are used as the interests do.
FOUND_LATELY, LAST, FALL = 150, 32, 0.9


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
        lately: bool = False,
    ) -> None:
        """found: candidates, at least. products, asked: shared with other sources.

        lately: what is nearest to the user's last items, all together, instead of the interests.
        """
        self._table, self._found, self._lately = table, found, lately
        self._asked = asked or Asked()
        self._kept: tuple[Queries, int, Queries] | None = None
        # Products that are shared are of the interests.
        self._products = Products(products.approximate) if lately and products else products or Products()

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`; the best first."""
        self._table.refresh()
        out = self._asked.banned(catalog, queries, user)
        queries, user = self._query(catalog, queries, user)
        vectors, k, uses = self._vectors(catalog, queries, user), max(k, self._found), self._table.uses
        if not self._table.latest or not vectors.any():
            return NO_ROWS
        if compiled():
            return self._products.best(catalog, queries, user, out, k, uses)[0]
        rows = np.flatnonzero(~out & (uses < COLD_BELOW)).astype(np.int32)
        return rows[top(largest_products(vectors, catalog.vectors, rows), rows, k)]

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`; it says nothing of items that are not cold."""
        self._table.refresh()
        vectors = self._vectors(catalog, *self._query(catalog, queries, user))
        said[0] = largest_products(vectors, catalog.vectors, rows)
        said[0, self._table.uses[rows] >= COLD_BELOW] = NOTHING

    def _query(self, catalog: Catalog, queries: Queries, user: int) -> tuple[Queries, int]:
        """Whose vectors count: the user's own, or one that is the faded sum of the last items."""
        if not self._lately:
            return queries, user
        kept = self._kept
        if kept is None or kept[0] is not queries or kept[1] != user:
            items = self._asked.items(queries, user, LAST)
            fades = (FALL ** np.arange(len(items))).astype(np.float32)
            alone = queries.only(range(user, user + 1))
            sums = (fades @ catalog.vectors[items]).astype(np.float32)[None, None]
            kept = self._kept = (
                queries,
                user,
                replace(alone, vectors=sums, shares=np.ones((1, 1), np.float32)),
            )
        return kept[2], 0

    def _vectors(self, catalog: Catalog, queries: Queries, user: int) -> Floats:
        if compiled():
            return self._products.vectors(catalog, queries, user)
        return counting_vectors(queries, user)
