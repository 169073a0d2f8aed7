"""What all baselines do alike: they rank by their scores what may be shown, and learn of uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from streams.history.evaluate.baselines.histories import DAY_MS, DecayedCounts
from streams.history.evaluate.baselines.ranking import Scores, Shelf
from streams.history.evaluate.contender import Request, Rows, Visit

# By it are ordered the rows of which a baseline says nothing.
FALLBACK_DAYS = 30.0


@dataclass(kw_only=True, eq=False)
class Baseline(ABC):
    """A contender that gives every row a score; equal scores are ordered by decayed popularity.

    items: rows of the catalog. seed: of all chance. The other fields are parameters; `search` names those that
    tuning chooses.
    """

    # Modules that it imports, each with how to install it.
    needs: ClassVar[Mapping[str, str]] = {"numba": "install it with `pip install numba`"}
    name: str = field(default="", init=False)
    items: int
    seed: int = 0

    def __post_init__(self) -> None:
        self._shelf = Shelf(self.items)
        self._popular = DecayedCounts(self.items, FALLBACK_DAYS * DAY_MS)

    def rank(self, request: Request, k: int) -> Rows:
        """The k best rows, best first: seen ones, none of them excluded."""
        return self._shelf.best(self._scores(request), self._popular.values, request.exclude, k)

    def learn(self, visit: Visit) -> None:
        """Take what a user did. Rows that were not chosen, as a return, were seen and are not learned as uses."""
        self._shelf.see(visit.rows)
        used = visit.rows[visit.chosen]
        if len(used):
            self._popular.add(used, visit.time)
            self._learn(visit.user, visit.time, used)

    @abstractmethod
    def _scores(self, request: Request) -> Scores:
        """(items,) what speaks for each row; not seen and excluded ones may have any score."""

    @abstractmethod
    def _learn(self, user: int, time: int, rows: Rows) -> None:
        """Take one visit. rows: (n,) distinct, n > 0, in log order. time: milliseconds."""
