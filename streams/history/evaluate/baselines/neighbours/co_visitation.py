"""What is used after what: directed counts from a user's recent items to the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import DAY_MS, Histories
from streams.history.evaluate.baselines.pairs import Pairs
from streams.history.evaluate.baselines.ranking import Scores, SomeRows
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request

# Pairs are float32 sums as of a moment in the past; after so many half-lives the moment moves.
MOST_HALVINGS = 60.0


@dataclass(kw_only=True, eq=False)
class CoVisitation(Baseline):
    """weight(i -> j) += fade^k 2^(t / half-life), where i was used k + 1 items before j;
    score(u, j) = sum over the user's last items i_k of fade^k weight(i_k -> j) / uses(j)^popularity.
    """

    name = "co_visitation"
    # Last items of a user that are paired with a new one, and that speak for what comes next.
    window: int = one_of(30, (10, 30, 100))
    # What each place further back counts.
    fade: float = between(0.9, 0.7, 1.0)
    # 1 leaves popular items no advantage, 0 all of it.
    popularity: float = between(0.25, 0.0, 1.0)
    # The same for the items that speak: 0 lets a popular one speak louder.
    source: float = between(0.25, 0.0, 1.0)
    # 0 for no decay.
    half_life_days: float = one_of(3650.0, (30.0, 90.0, 365.0, 3650.0, 0.0))
    # What a pair counts from the later item to the earlier one.
    backward: float = one_of(0.0, (0.0, 0.3, 1.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._pairs, self._histories = Pairs(self.items), Histories()
        self._uses = np.zeros(self.items)
        self._origin: int | None = None

    def _scores(self, request: Request) -> Scores:
        rows = self._histories.of(request.user).last(self.window).rows[::-1]
        fades = self.fade ** np.arange(len(rows))
        fades = fades / (self._uses[rows] + 3.0) ** self.source
        scores = self._pairs.spread(rows, fades, self.items)
        return scores / np.maximum(self._uses, 1.0) ** self.popularity

    def _learn(self, user: int, time: int, rows: SomeRows) -> None:
        gain = self._gain(time)
        before = self._histories.of(user).last(self.window).rows
        line = np.concatenate([before, rows])
        # back[n, k]: the place in the line of the item used k + 1 items before new item n.
        back = len(before) + np.arange(len(rows))[:, None] - 1 - np.arange(min(self.window, len(line)))
        new, distance = np.nonzero(back >= 0)
        firsts, seconds = line[back[new, distance]], rows[new]
        other = firsts != seconds
        amounts = gain * self.fade ** distance[other]
        self._pairs.add(firsts[other], seconds[other], amounts)
        if self.backward:
            self._pairs.add(seconds[other], firsts[other], self.backward * amounts)
        self._uses[rows] += 1
        self._histories.add(user, rows, time)

    def _gain(self, time: int) -> float:
        """What a pair of this time adds: sums are as of `_origin`."""
        if not self.half_life_days:
            return 1.0
        self._origin = time if self._origin is None else self._origin
        half_life = self.half_life_days * DAY_MS
        halvings = (time - self._origin) / half_life
        if halvings > MOST_HALVINGS:
            self._pairs.scale(2.0**-halvings)
            self._origin, halvings = time, 0.0
        return float(2.0**halvings)


@dataclass(kw_only=True, eq=False)
class WholeCoVisitation(CoVisitation):
    """Every item of the history counts, however long ago."""

    name = "whole_co_visitation"
    window: int = one_of(1000, (300, 1000))
    fade: float = between(1.0, 0.99, 1.0)
    half_life_days: float = 0.0
