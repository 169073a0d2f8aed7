"""Items that hardly anybody has used yet, by content: what counts uses never finds them."""

from __future__ import annotations

import numpy as np

from streams.items.table import ItemTable
from streams.recommend.base import Candidates, Queries
from streams.recommend.catalog import Catalog
from streams.recommend.sources.reading import banned, candidates, largest_products, top

NAME = "cold"
FOUND = 60
# An item with fewer uses is cold.
USES = 3
# Of more cold items than these, only those that came into the catalogue last are looked at.
LOOKED_AT = 4096


class ColdSource:
    """The cold items whose vectors are nearest to the user's interests. None while no item was used at all.

    Their scores are these products; a user without an interest gets none.
    """

    def __init__(self, table: ItemTable, found: int = FOUND) -> None:
        """found: candidates, at least."""
        self._table, self._found = table, found

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under NAME."""
        self._table.refresh()
        weighted, active = queries.weighted().astype(np.float32, copy=False), queries.active()
        uses, found = self._table.uses, []
        for user in range(len(queries)):
            vectors = weighted[user][active[user]]
            cold = (uses < USES) & ~banned(catalog, queries, user)
            known = self._table.latest and vectors.any()
            rows = np.flatnonzero(cold)[-LOOKED_AT if known else len(cold) :].astype(np.int32)
            products = largest_products(vectors, catalog.vectors, rows)
            best = top(products, rows, max(k, self._found))
            found.append((rows[best], {NAME: products[best]}))
        return candidates(found, (NAME,))
