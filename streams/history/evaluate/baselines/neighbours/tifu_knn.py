"""Users alike by how often and how lately they used what: TIFU-kNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.history.evaluate.baselines.histories import Past, sums
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.refits import Refitted, matrix
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request


@dataclass(kw_only=True, eq=False)
class TifuKNN(Refitted):
    """score(u, j) = own * v_u[j] + (1 - own) * mean of v[j] over the users nearest to u (Euclidean).

    v_u: a user's visits, latest first in groups of `group`: a visit counts within^place in its group times
    between^number of its group. The others' vectors are refitted in intervals, the user's own is always of now.
    Hu et al., SIGIR 2020.
    """

    name = "tifu_knn"
    neighbours: int = between(300, 50, 900, log=True)
    within: float = between(0.9, 0.5, 1.0)
    across: float = between(0.7, 0.3, 1.0)
    group: int = one_of(7, (3, 7, 20, 50))
    own: float = between(0.7, 0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._others: Any = None
        self._lengths: Scores = np.zeros(0)
        self._place: dict[int, int] = {}

    def _weights(self, past: Past) -> Scores:
        """(n,) what each use counts."""
        back = past.visits[-1] - past.visits
        groups = -(-(int(past.visits[-1]) + 1) // self.group)
        within, across = self.within ** (back % self.group), self.across ** (back // self.group)
        return np.asarray(within * across / (self.group * groups), dtype=np.float64)

    def _fit(self, now: int) -> None:
        parts = []
        for user in self._histories.users():
            past = self._histories.of(user)
            rows, places = np.unique(past.rows, return_inverse=True)
            parts.append((rows, sums(places, self._weights(past), len(rows))))
        self._others = matrix(parts, self.items)
        self._lengths = np.asarray(self._others.multiply(self._others).sum(axis=1)).ravel()
        self._place = {user: place for place, user in enumerate(self._histories.users())}

    def _scores(self, request: Request) -> Scores:
        past = self._histories.of(request.user)
        if not len(past):
            return np.zeros(self.items)
        own = sums(past.rows, self._weights(past), self.items)
        if not self._fitted:
            return own
        return self.own * own + (1.0 - self.own) * self._mean(own, self._place.get(request.user))

    def _mean(self, own: Scores, place: int | None) -> Scores:
        """(items,) the mean vector of the nearest others. place: the user's row among them, None for none."""
        distances = self._lengths - 2.0 * (self._others @ own.astype(np.float32))
        if place is not None:
            distances[place] = np.inf
        number = min(self.neighbours, len(distances) - (place is not None))
        nearest = np.argsort(distances, kind="stable")[:number]
        starts = self._others.indptr
        parts = [slice(starts[one], starts[one + 1]) for one in nearest.tolist()]
        rows = np.concatenate([np.zeros(0, np.int64), *(self._others.indices[part] for part in parts)])
        values = np.concatenate([np.zeros(0), *(self._others.data[part] for part in parts)])
        return sums(rows, values, self.items) / max(number, 1)
