"""What is likely to be used after the user's last items, by vectors that are learned from such uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from streams.items.towers import WINDOWS
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NO_ROWS, NOTHING
from streams.recommend.towers.item_towers import ItemTowers

NAMES = tuple(window.name for window in WINDOWS)

# Uses before which the vectors say nothing.
SILENT = 2000


class TwoTowerSource(Finder):
    """Scores the candidates of others by the towers of each window; it finds none of its own.

    It learns where it is told what users used next. Before enough uses were learned from, here or elsewhere, it says
    nothing: the ranker may have learned elsewhere what to think of it.
    """

    names = NAMES

    def __init__(self, silent: int = SILENT, asked: Asked | None = None) -> None:
        """silent: uses before which it says nothing. asked: shared with other sources."""
        self._silent, self._asked = silent, asked or Asked()
        self.towers = ItemTowers()

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """None. See `Finder.find`."""
        return NO_ROWS

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`; of a user without an item it says nothing."""
        said[...] = NOTHING
        histories = self._histories(catalog, queries, user)
        if self.towers.uses >= self._silent and len(histories[0]):
            for place, (own, newest) in enumerate(zip(self.towers.each, histories, strict=True)):
                said[place] = own.products(own.interest(newest), rows)

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`."""
        for user, rows in enumerate(used):
            self.towers.learn(self._histories(catalog, queries, user), rows)

    def _histories(self, catalog: Catalog, queries: Queries, user: int) -> list[Rows]:
        """For each window, the user's last items, newest first. The towers have a row for each item then."""
        self.towers.follow(catalog)
        newest = self._asked.items(queries, user, max(window.last for window in WINDOWS))
        return [newest[: window.last] for window in WINDOWS]
