"""Bayesian personalised ranking, a few steps per event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request, Rows
from streams.kernels.compiling import kernel


@kernel("f4:C2! f4:C2! f4:C1! i8:C1 i8:C1 i8:C2 f4 f4")
def _steps(
    users: Any, items: Any, biases: Any, who: Any, chosen: Any, others: Any, rate: Any, decay: Any
) -> None:
    """Gradient steps by which each user's chosen item stands above each of the others. others: (n, m)."""
    dim = users.shape[1]
    for n in range(len(who)):
        user, better = who[n], chosen[n]
        for m in range(others.shape[1]):
            worse = others[n, m]
            if worse == better:
                continue
            margin = biases[better] - biases[worse]
            for d in range(dim):
                margin += users[user, d] * (items[better, d] - items[worse, d])
            pull = rate / (np.float32(1.0) + np.exp(margin))
            shrink = np.float32(1.0) - rate * decay
            biases[better] = biases[better] * shrink + pull
            biases[worse] = biases[worse] * shrink - pull
            for d in range(dim):
                u, b, w = users[user, d], items[better, d], items[worse, d]
                users[user, d] = u * shrink + pull * (b - w)
                items[better, d] = b * shrink + pull * u
                items[worse, d] = w * shrink - pull * u


class _Log:
    """Every use so far, for steps that are repeated."""

    def __init__(self) -> None:
        self._columns = np.zeros((2, 1024), dtype=np.int64)
        self.count = 0

    def add(self, user: int, rows: Rows) -> None:
        stop = self.count + len(rows)
        if stop > self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros((2, stop), dtype=np.int64)], axis=1)
        self._columns[0, self.count : stop], self._columns[1, self.count : stop] = user, rows
        self.count = stop

    def at(self, places: Rows) -> tuple[Rows, Rows]:
        return self._columns[0, places], self._columns[1, places]


@dataclass(kw_only=True, eq=False)
class OnlineBPR(Baseline):
    """score(u, j) = <p_u, q_j> + b_j; every use, and so many uses of the past, beats so many random seen items.

    Rendle et al., UAI 2009, by stochastic gradient in the order of the stream.
    """

    name = "online_bpr"
    factors: int = one_of(64, (16, 32, 64))
    rate: float = between(0.1, 0.01, 0.3, log=True)
    decay: float = between(0.01, 0.0001, 0.05, log=True)
    negatives: int = one_of(8, (2, 4, 8))
    # Earlier uses, drawn evenly, whose steps are repeated with each new one.
    repeats: int = one_of(0, (0, 1, 4))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rng = np.random.default_rng(self.seed)
        self._users = self._drawn(64)
        self._items = self._drawn(self.items)
        self._biases = np.zeros(self.items, dtype=np.float32)
        self._log = _Log()
        self._known = 0

    def _drawn(self, number: int) -> npt.NDArray[np.float32]:
        return (0.1 * self._rng.standard_normal((number, self.factors))).astype(np.float32)

    def _scores(self, request: Request) -> Scores:
        if request.user >= self._known:
            return self._biases.astype(np.float64)
        scores = self._items @ self._users[request.user] + self._biases
        return np.asarray(scores, dtype=np.float64)

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        if user >= len(self._users):
            self._users = np.concatenate([self._users, self._drawn(user + 1)])
        self._known = max(self._known, user + 1)
        self._log.add(user, rows)
        again = self._rng.integers(self._log.count, size=self.repeats * len(rows))
        users, chosen = self._log.at(again)
        users = np.concatenate([np.full(len(rows), user), users])
        chosen = np.concatenate([rows, chosen])
        seen = self._shelf.rows()
        others = seen[self._rng.integers(len(seen), size=(len(chosen), self.negatives))]
        steps = np.float32(self.rate), np.float32(self.decay)
        _steps(self._users, self._items, self._biases, users, chosen, others, *steps)
