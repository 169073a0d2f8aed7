"""What the user uses again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import DAY_MS, DecayedCounts, Histories, shares, sums
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import between
from streams.history.evaluate.contender import Request, Rows


@dataclass(kw_only=True, eq=False)
class OwnFrequency(Baseline):
    """The user's own decayed number of uses. What the user never used stands behind, by decayed popularity."""

    name = "own_frequency"
    half_life_days: float = between(90.0, 1.0, 1000.0, log=True)
    popular_half_life_days: float = between(30.0, 0.005, 365.0, log=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._popular = DecayedCounts(self.items, self.popular_half_life_days * DAY_MS)
        self._histories = Histories()

    def _scores(self, request: Request) -> Scores:
        past = self._histories.of(request.user)
        kept = shares(past.times, request.time, self.half_life_days * DAY_MS)
        # A use of long ago may be too small for a float: it still stands before what was never used.
        kept = np.maximum(kept, np.finfo(np.float64).tiny)
        return sums(past.rows, kept, self.items)

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        self._histories.add(user, rows, time)
