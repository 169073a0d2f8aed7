"""A linear model from all items to all, in closed form: EASE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.refits import Refitted, latest, matrix, recency
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request, Rows

# Above so many items used, the model covers the most popular ones alone (decayed, 30 days half-life): the inverse
# costs the cube of their number, 6,000 take 5 seconds of one core and 150 MB.
MOST_ITEMS = 6000
# A use that counts less than that of the latest is left out of a request.
LEAST = 1e-3


@dataclass(kw_only=True, eq=False)
class Ease(Refitted):
    """B = I - P / diag(P), P = (X^T X + regularization I)^-1; scores are the user's row times B.

    X holds users by items, each use by its recency. A request asks with the history of now. Steck, WWW 2019.
    """

    name = "ease"
    regularization: float = between(200.0, 5.0, 3000.0, log=True)
    # What old uses count in the fit, and in a request; 0 for no decay.
    half_life_days: float = one_of(0.0, (0.0, 90.0, 365.0))
    half_life_events: float = one_of(20.0, (0.0, 5.0, 20.0, 100.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._weights: npt.NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self._kept: Rows = np.zeros(0, dtype=np.int64)
        # By row, its place in the model; -1 for none.
        self._place: Rows = np.full(self.items, -1, dtype=np.int64)

    def _fit(self, now: int) -> None:
        from scipy.linalg.lapack import spotrf, spotri

        self._choose()
        parts = []
        for user in self._histories.users():
            past = self._histories.of(user)
            rows, values = latest(past, recency(past, now, self.half_life_days, 0.0))
            known = self._place[rows] >= 0
            parts.append((self._place[rows[known]], values[known]))
        x = matrix(parts, len(self._kept))
        gram = (x.T @ x).toarray()
        gram[np.diag_indices(len(gram))] += self.regularization
        inverse, failed = spotri(spotrf(gram, overwrite_a=True)[0], overwrite_c=True)
        if failed:
            raise ValueError(
                f"EASE cannot invert with regularization {self.regularization}: take a larger one"
            )
        # LAPACK gives the upper triangle.
        inverse = np.triu(inverse) + np.triu(inverse, 1).T
        self._weights = np.ascontiguousarray(-inverse / np.diag(inverse))
        np.fill_diagonal(self._weights, 0.0)

    def _choose(self) -> None:
        rows = np.flatnonzero(self._popular.values > 0)
        best = rows[np.argsort(-self._popular.values[rows], kind="stable")[:MOST_ITEMS]]
        self._kept = np.sort(best)
        self._place[:] = -1
        self._place[self._kept] = np.arange(len(self._kept))

    def _scores(self, request: Request) -> Scores:
        scores = np.zeros(self.items)
        past = self._histories.of(request.user)
        rows, values = latest(past, recency(past, request.time, self.half_life_days, self.half_life_events))
        known = (self._place[rows] >= 0) & (values > LEAST * values.max(initial=0.0))
        if self._fitted and known.any():
            asked = values[known].astype(np.float32) / np.float32(values.max())
            # An item outside the model stands behind all that speak for themselves.
            scores[self._kept] = asked @ self._weights[self._place[rows[known]]]
        return scores
