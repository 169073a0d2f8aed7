"""What every source is whose candidates and scores are sums over the items that the user's items lead to."""

from __future__ import annotations

from abc import abstractmethod

from streams.items.table import ItemTable
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.finding.sums import Sums
from streams.recommend.sources.asked import Asked


class Gathering(Finder):
    """Finds the rows of the largest sums."""

    def __init__(self, table: ItemTable, found: int, width: int, asked: Asked | None) -> None:
        """found: candidates, at least. width: sums of each row. asked: shared with other sources."""
        self._table, self._found, self._asked = table, found, asked or Asked()
        self._sums = Sums(width)

    @abstractmethod
    def _gathered(self, queries: Queries, user: int) -> Sums:
        """The sums of one user."""

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """See `Finder.find`."""
        out = self._asked.banned(catalog, queries, user)
        return self._gathered(queries, user).best(out, max(k, self._found))

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`."""
        self._gathered(queries, user).tell(rows, said)
