"""Matrix factorisation of ratings, one step per rating: squared error, with biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request, Rows, Visit

Floats = npt.NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class OnlineRatings(Baseline):
    """rating(u, j) = mean + b_u + b_j + <p_u, q_j>, by stochastic gradient in the order of the stream.

    Koren et al., Computer 2009. Ratings are learned in units of their own running deviation, so that a step fits any
    scale. Foretold ones lie between the lowest and the highest seen.
    """

    name = "online_ratings"
    factors: int = one_of(16, (8, 16, 32))
    rate: float = between(0.05, 0.005, 0.2, log=True)
    bias_rate: float = between(0.05, 0.005, 0.2, log=True)
    decay: float = between(0.05, 0.001, 0.3, log=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rng = np.random.default_rng(self.seed)
        self._items = 0.1 * self._rng.standard_normal((self.items, self.factors))
        self._item_biases = np.zeros(self.items)
        self._users: dict[int, Floats] = {}
        self._user_biases: dict[int, float] = {}
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._low, self._high = np.inf, -np.inf

    def predict(self, user: int, row: int) -> float:
        """The rating that this user will give this item, in the stream's own scale; 0 before the first rating."""
        if not self._count:
            return 0.0
        guess = self._mean + self._deviation() * self._standard(user, row)
        return float(min(max(guess, self._low), self._high))

    def learn(self, visit: Visit) -> None:
        """Take what a user did; values that are not finite are not learned."""
        super().learn(visit)
        for row, value in zip(visit.rows.tolist(), visit.values.tolist(), strict=True):
            if np.isfinite(value):
                self._step(visit.user, row, value)

    def _deviation(self) -> float:
        spread = float(np.sqrt(self._squares / self._count))
        return spread if spread > 0 else 1.0

    def _standard(self, user: int, row: int) -> float:
        own = self._users.get(user)
        shared = 0.0 if own is None else float(own @ self._items[row])
        return self._user_biases.get(user, 0.0) + float(self._item_biases[row]) + shared

    def _step(self, user: int, row: int, value: float) -> None:
        self._count += 1
        before = value - self._mean
        self._mean += before / self._count
        self._squares += before * (value - self._mean)
        self._low, self._high = min(self._low, value), max(self._high, value)
        if user not in self._users:
            self._users[user] = 0.1 * self._rng.standard_normal(self.factors)
        # One wild value must not throw the model: the error is bounded by three deviations.
        error = (value - self._mean) / self._deviation() - self._standard(user, row)
        error = min(max(error, -3.0), 3.0)
        own, theirs = self._users[user], self._items[row].copy()
        bias = self._user_biases.get(user, 0.0)
        self._user_biases[user] = bias + self.bias_rate * (error - self.decay * bias)
        self._item_biases[row] += self.bias_rate * (error - self.decay * self._item_biases[row])
        self._items[row] += self.rate * (error * own - self.decay * theirs)
        self._users[user] = own + self.rate * (error * theirs - self.decay * own)

    def _scores(self, request: Request) -> Scores:
        own = self._users.get(request.user)
        return self._item_biases if own is None else self._item_biases + self._items @ own

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        pass
