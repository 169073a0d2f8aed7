"""Contenders that are easy to follow, for the tests of the judge."""

from __future__ import annotations

import numpy as np

from streams.history.evaluate.contender import Request, Rows, Visit


class RandomContender:
    """Any items that were seen, in the order of a seeded draw."""

    name = "random"

    def __init__(self, items: int, seed: int = 0) -> None:
        """items: rows of the catalog. seed: of the draws."""
        self._seen = np.zeros(items, dtype=bool)
        self._seed, self._asked = seed, 0

    def rank(self, request: Request, k: int) -> Rows:
        """See `Contender.rank`."""
        self._asked += 1
        allowed = self._seen.copy()
        allowed[request.exclude] = False
        rows = np.flatnonzero(allowed)
        draw = np.random.default_rng((self._seed, self._asked))
        return draw.choice(rows, min(k, len(rows)), replace=False)

    def learn(self, visit: Visit) -> None:
        """See `Contender.learn`."""
        self._seen[visit.rows] = True


class PopularityContender:
    """The items that were chosen most often, whatever the user; of equal ones the smaller row first."""

    name = "popularity"

    def __init__(self, items: int, seed: int = 0) -> None:
        """items: rows of the catalog. seed: not heeded."""
        # Uses below zero: of few among many, the smallest are found far sooner than the largest. An item that no visit
        # held stands behind every other, and is never named.
        self._negative = np.full(items, 1, dtype=np.int64)

    def rank(self, request: Request, k: int) -> Rows:
        """See `Contender.rank`."""
        negative = self._negative.copy()
        negative[request.exclude] = 1
        last = min(k, len(negative)) - 1
        rows = np.flatnonzero(negative <= min(np.partition(negative, last)[last], 0))
        return rows[np.argsort(negative[rows], kind="stable")][:k]

    def learn(self, visit: Visit) -> None:
        """See `Contender.learn`."""
        self._negative[visit.rows] = np.minimum(self._negative[visit.rows], 0) - visit.chosen
