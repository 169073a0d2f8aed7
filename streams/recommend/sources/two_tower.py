"""What is likely to be used after the user's last items, by vectors that are learned from such uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from streams.items.towers import WINDOWS
from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NOTHING, said_of
from streams.recommend.towers.item_towers import ItemTowers

NAMES = tuple(window.name for window in WINDOWS)

# Uses before which the vectors say nothing.
SILENT = 2000


class TwoTowerSource:
    """Scores the candidates of others by the towers of each window; it finds none of its own.

    It learns where it is told what users used next. Before enough uses were learned from, here or elsewhere, it says
    nothing: the ranker may have learned elsewhere what to think of it.
    """

    def __init__(self, silent: int = SILENT, asked: Asked | None = None) -> None:
        """silent: uses before which it says nothing. asked: shared with other sources."""
        self._silent, self._asked = silent, asked or Asked()
        self.towers = ItemTowers()

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """None. See `CandidateSource.candidates`."""
        nothing = np.zeros((len(queries), 0), dtype=np.float32)
        return Candidates(nothing.astype(np.int32), dict.fromkeys(NAMES, nothing))

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`; of a user without an item it says nothing."""
        said = np.full((len(NAMES), *rows.shape), NOTHING, dtype=np.float32)
        histories = self._histories(catalog, queries)
        if self.towers.uses < self._silent:
            return said_of(rows, NAMES, said)
        for place, (own, history) in enumerate(zip(self.towers.each, histories, strict=True)):
            for user, newest in enumerate(history):
                there = rows[user] >= 0
                if len(newest):
                    said[place, user, there] = own.products(own.interest(newest), rows[user, there])
        return said_of(rows, NAMES, said)

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`."""
        for *newest, rows in zip(*self._histories(catalog, queries), used, strict=True):
            self.towers.learn(newest, rows)

    def _histories(self, catalog: Catalog, queries: Queries) -> list[list[Rows]]:
        """For each window, each user's last items, newest first. The towers have a row for each item then."""
        newest = self._asked.newest(queries, max(window.last for window in WINDOWS))
        self.towers.follow(catalog)
        return [[own[: window.last][own[: window.last] >= 0] for own in newest] for window in WINDOWS]
