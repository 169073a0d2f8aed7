"""Any row, by chance: what no method may fall below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.contender import Request, Rows


@dataclass(kw_only=True, eq=False)
class Random(Baseline):
    """The order depends on seed, user and time alone, so that a repeated request has the same answer."""

    name = "random"

    def _scores(self, request: Request) -> Scores:
        return np.random.default_rng([self.seed, request.user, abs(request.time)]).random(self.items)

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        pass
