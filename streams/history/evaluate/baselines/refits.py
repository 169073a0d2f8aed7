"""What baselines share that are refitted in intervals: when, and the users' histories as a matrix."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import DAY_MS, Histories, Past, shares
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.contender import Request, Rows

INSTALL = "install it with `pip install 'interestflow[evaluate]'`"


@dataclass(kw_only=True, eq=False)
class Refitted(Baseline):
    """A baseline that fits all visits so far anew when it is asked and `refit_visits` came since it was fitted last.

    Before so many it says nothing. Where nobody asks, as in the half that is learned only, it spares the fit.
    """

    needs: ClassVar[Mapping[str, str]] = {**Baseline.needs, "scipy": INSTALL}
    refit_visits: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refit_visits < 1:
            raise ValueError(f"refit_visits must be at least 1, not {self.refit_visits}")
        self._histories = Histories()
        # Since the last fit.
        self._visits = 0
        self._fitted = False

    def rank(self, request: Request, k: int) -> Rows:
        """See `Baseline.rank`."""
        if self._visits >= self.refit_visits:
            self._fit(request.time)
            self._visits, self._fitted = 0, True
        return super().rank(request, k)

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        self._histories.add(user, rows, time)
        self._visits += 1

    @abstractmethod
    def _fit(self, now: int) -> None:
        """Fit `_histories` as they are now, milliseconds."""


def recency(past: Past, now: int, half_life_days: float, half_life_events: float) -> Scores:
    """(n,) what each use counts now: halved per so many days, and per so many later uses; 0 for no decay."""
    kept = shares(past.times, now, half_life_days * DAY_MS)
    if half_life_events:
        kept = kept * np.exp2(-np.arange(len(past))[::-1] / half_life_events)
    return kept


def latest(past: Past, weights: Scores) -> tuple[Rows, Scores]:
    """The distinct rows of a history, rising, each with the weight of its latest use."""
    rows, places = np.unique(past.rows[::-1], return_index=True)
    return rows, weights[::-1][places]


def matrix(parts: list[tuple[Rows, Scores]], items: int) -> Any:
    """A sparse float32 matrix (users, items) in rows, of each user's rows and values."""
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *(len(rows) for rows, _ in parts)])
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in parts)])
    values = np.concatenate([np.zeros(0), *(values for _, values in parts)]).astype(np.float32)
    return csr_matrix((values, rows, ends), shape=(len(parts), items))
