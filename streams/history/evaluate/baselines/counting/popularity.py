"""What everybody uses: ever, or lately."""

from __future__ import annotations

from dataclasses import dataclass

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import DAY_MS, DecayedCounts
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import between
from streams.history.evaluate.contender import Request, Rows


@dataclass(kw_only=True, eq=False)
class Popularity(Baseline):
    """The number of uses so far."""

    name = "popularity"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._counts = DecayedCounts(self.items, self._half_life_ms())

    def _half_life_ms(self) -> float:
        return 0.0

    def _scores(self, request: Request) -> Scores:
        return self._counts.values

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        self._counts.add(rows, time)


@dataclass(kw_only=True, eq=False)
class DecayedPopularity(Popularity):
    """Uses that count half as much after each half-life."""

    name = "decayed_popularity"
    half_life_days: float = between(30.0, 0.005, 365.0, log=True)

    def _half_life_ms(self) -> float:
        return self.half_life_days * DAY_MS
