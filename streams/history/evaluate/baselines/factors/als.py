"""Implicit-feedback matrix factorisation by alternating least squares; the user is folded in at each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.refits import INSTALL, Refitted, latest, matrix, recency
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request


@dataclass(kw_only=True, eq=False)
class ImplicitALS(Refitted):
    """Hu, Koren and Volinsky, ICDM 2008, fitted by the `implicit` library in intervals.

    confidence = 1 + alpha * recency. A request solves for the user's factors by the history of now.
    """

    name = "implicit_als"
    needs: ClassVar[Mapping[str, str]] = {**Refitted.needs, "implicit": INSTALL}
    factors: int = one_of(64, (32, 64, 128))
    regularization: float = between(0.05, 0.001, 10.0, log=True)
    alpha: float = between(10.0, 0.5, 100.0, log=True)
    half_life_events: float = one_of(20.0, (0.0, 5.0, 20.0, 100.0))
    iterations: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._item_factors: npt.NDArray[np.float32] = np.zeros((self.items, self.factors), dtype=np.float32)
        self._square: npt.NDArray[np.float32] = np.zeros((self.factors, self.factors), dtype=np.float32)

    def _fit(self, now: int) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        parts = []
        for user in self._histories.users():
            past = self._histories.of(user)
            rows, values = latest(past, np.ones(len(past)))
            parts.append((rows, 1.0 + self.alpha * values))
        # Its own loops run on one thread, so that a seed gives the same factors; so must those of the matrix library.
        with threadpool_limits(1, user_api="blas"):
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=1.0,
                iterations=self.iterations,
                num_threads=1,
                random_state=self.seed,
            )
            model.fit(matrix(parts, self.items), show_progress=False)
        self._item_factors = np.ascontiguousarray(model.item_factors, dtype=np.float32)
        self._square = self._item_factors.T @ self._item_factors

    def _scores(self, request: Request) -> Scores:
        past = self._histories.of(request.user)
        if not self._fitted or not len(past):
            return np.zeros(self.items)
        rows, kept = latest(past, recency(past, request.time, 0.0, self.half_life_events))
        confidence = (1.0 + self.alpha * kept).astype(np.float32)
        theirs = self._item_factors[rows]
        system = self._square + theirs.T @ (theirs * (confidence - 1.0)[:, None])
        system[np.diag_indices(self.factors)] += np.float32(self.regularization)
        solved = np.linalg.solve(system, theirs.T @ confidence)
        return (self._item_factors @ solved).astype(np.float64)
