"""What is likely to be used after the user's last items, by vectors that are learned from such uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NOTHING, said_of
from streams.recommend.sources.towers import Towers


@dataclass(frozen=True, slots=True)
class Window:
    """What a score is of: the user's `last` items, of which the next older one counts `fall` of the one after it.

    together: the items of one visit are learned from one another, too, and not only from those before it.
    """

    name: str
    last: int
    fall: float
    together: bool


# Films want few items, baskets many. What goes into the next basket is best learned from earlier baskets alone; what
# belongs together, as in a list of artists, from each basket.
WINDOWS = (
    Window("towers_10", 10, 0.8, together=True),
    Window("towers_256", 256, 0.99, together=False),
    Window("towers_together", 256, 0.99, together=True),
)
NAMES = tuple(window.name for window in WINDOWS)

# Uses before which the vectors say nothing.
SILENT = 2000


class TwoTowerSource:
    """Scores the candidates of others by `Towers` of each window; it finds none of its own.

    It learns where it is told what users used next. What it has learned lives and ends with it: so it says nothing
    before it was told of enough uses, in a worker that goes on from what a ranker has learned elsewhere.
    """

    def __init__(self, silent: int = SILENT, asked: Asked | None = None) -> None:
        """silent: uses before which it says nothing. asked: shared with other sources."""
        self._silent, self._asked = silent, asked or Asked()
        self.towers = tuple(Towers(fall=window.fall) for window in WINDOWS)

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """None. See `CandidateSource.candidates`."""
        nothing = np.zeros((len(queries), 0), dtype=np.float32)
        return Candidates(nothing.astype(np.int32), dict.fromkeys(NAMES, nothing))

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`; of a user without an item it says nothing."""
        said = np.full((len(NAMES), *rows.shape), NOTHING, dtype=np.float32)
        for place, history in enumerate(self._histories(catalog, queries)):
            for user, newest in enumerate(history):
                there = rows[user] >= 0
                own = self.towers[place]
                if len(newest) and own.uses >= self._silent:
                    said[place, user, there] = own.products(own.interest(newest), rows[user, there])
        return said_of(rows, NAMES, said)

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`."""
        histories = self._histories(catalog, queries)
        for towers, window, history in zip(self.towers, WINDOWS, histories, strict=True):
            for newest, rows in zip(history, used, strict=True):
                if window.together:
                    towers.learn_together(newest, rows, window.last)
                else:
                    towers.learn(newest, rows)

    def _histories(self, catalog: Catalog, queries: Queries) -> list[list[Rows]]:
        """For each window, each user's last items, newest first. The towers have a row for each item then."""
        newest = self._asked.newest(queries, max(window.last for window in WINDOWS))
        found = []
        for towers, window in zip(self.towers, WINDOWS, strict=True):
            towers.grow(catalog.vectors)
            found.append([own[: window.last][own[: window.last] >= 0] for own in newest])
        return found
