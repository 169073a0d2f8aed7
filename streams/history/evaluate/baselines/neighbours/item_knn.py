"""Items used by the same users: cosine of the items' columns of users, kept up to date event by event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import Histories
from streams.history.evaluate.baselines.pairs import Pairs
from streams.history.evaluate.baselines.ranking import Scores, SomeRows
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request


@dataclass(kw_only=True, eq=False)
class ItemKNN(Baseline):
    """score(u, j) = sum over the user's items i of |users of i and j| /
    sqrt((|users of i| + shrink) (|users of j| + shrink)).

    Sarwar et al., WWW 2001; shrinkage as in Dacrema et al., RecSys 2019. All neighbours count.
    """

    name = "item_knn"
    # Last distinct items of a user that are paired with a new one, and those that speak for what comes next.
    paired: int = one_of(500, (30, 100, 500))
    asked: int = one_of(100, (10, 30, 100, 300))
    shrink: float = between(5.0, 0.5, 100.0, log=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._pairs, self._histories = Pairs(self.items), Histories()
        self._users = np.zeros(self.items)
        self._known: dict[int, set[int]] = {}

    def _scores(self, request: Request) -> Scores:
        rows = self._histories.of(request.user).last(self.asked).rows
        return _cosine(self._pairs, rows, self._users, self.shrink)

    def _learn(self, user: int, time: int, rows: SomeRows) -> None:
        known = self._known.setdefault(user, set())
        new = np.array([row for row in rows.tolist() if row not in known], dtype=np.int64)
        before = self._histories.of(user).last(self.paired).rows
        firsts, seconds = _all_pairs(before, new)
        ones = np.ones(len(firsts), dtype=np.float32)
        self._pairs.add(firsts, seconds, ones)
        self._pairs.add(seconds, firsts, ones)
        self._users[new] += 1
        known.update(new.tolist())
        self._histories.add(user, new, time)


def _all_pairs(before: SomeRows, new: SomeRows) -> tuple[SomeRows, SomeRows]:
    """Each new row with each one before it, and with the new ones that stand before it, once."""
    firsts = np.concatenate([before, new])
    place = len(before) + np.arange(len(new))
    earlier, later = np.nonzero(np.arange(len(firsts))[:, None] < place)
    return firsts[earlier], new[later]


def _cosine(pairs: Pairs, rows: SomeRows, users: Scores, shrink: float) -> Scores:
    """(items,) the sum of the similarities to `rows`.

    The shrinkage stands beside each root, so that the sum over i needs one pass of the neighbours alone.
    """
    lengths = np.sqrt(users + shrink)
    return pairs.spread(rows, 1.0 / lengths[rows], len(users)) / lengths
