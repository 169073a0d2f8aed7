"""A small network over the columns of a candidate and the segment of the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from streams.recommend.base import Floats, Longs
from streams.recommend.learned import arithmetic
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.linear import shares
from streams.recommend.learned.parameters import Parameters
from streams.recommend.learned.segments import NAMES

DIRECT, HIDDEN, CONTEXT, OUT = "direct", "hidden", "context", "out"


@dataclass
class MlpRanker:
    """logit = direct · x + out · max(0, hidden x + context[segment]), of a candidate's columns x.

    At first `out` is 0, so it begins as the linear ranker does. It learns as the linear one does.

    Its terms: the units above 0 make the logit linear in x, with weights direct + sum of out_j hidden_j over them.
    A group's term is its columns times these weights; what the segments' parts of these units give remains, under
    the name `context`. So the terms add up to the logit, and explain it near x alone.
    """

    kind: ClassVar[str] = "mlp"
    by_column: ClassVar[tuple[str, ...]] = (DIRECT, HIDDEN)
    remainder: ClassVar[str | None] = "context"

    columns: Columns
    rate: float = 0.05
    hidden_rate: float = 0.02
    units: int = 32
    seed: int = 0
    parameters: Parameters = field(init=False)

    def __post_init__(self) -> None:
        width = len(self.columns)
        drawn = np.random.default_rng(self.seed).standard_normal((self.units, width))
        start = {
            DIRECT: self.columns.start,
            HIDDEN: (drawn / max(width, 1) ** 0.5).astype(np.float32),
            CONTEXT: np.zeros((len(NAMES), self.units), dtype=np.float32),
            OUT: np.zeros(self.units, dtype=np.float32),
        }
        rates = dict.fromkeys((HIDDEN, CONTEXT, OUT), self.hidden_rate)
        self.parameters = Parameters(start, {DIRECT: self.rate, **rates})

    def logits(self, columns: Floats, segment: int) -> Floats:
        """See `LearnedRanker.logits`."""
        units = self._units(columns, segment)
        values = self.parameters.values
        logits: Floats = arithmetic.weighed(columns, values[DIRECT]) + values[OUT] @ np.maximum(units, 0)
        return logits

    def slopes(self, columns: Floats, segment: int) -> Floats:
        """See MlpRanker: those of the units above 0."""
        values = self.parameters.values
        # (units, n)
        active = np.where(self._units(columns, segment) > 0, values[OUT][:, None], np.float32(0))
        slopes: Floats = values[DIRECT][:, None] + values[HIDDEN].T @ active
        return slopes

    def learn(self, columns: Floats, segment: int, used: Longs) -> None:
        """See `LearnedRanker.learn`."""
        self.towards(columns, segment, shares(columns, used), len(used) ** 0.5)

    def towards(self, columns: Floats, segment: int, targets: Floats, times: float) -> None:
        """See `LearnedRanker.towards`."""
        errors, direct = arithmetic.gradient(columns, self.logits(columns, segment), targets)
        factor = np.float32(times)
        errors, units, values = errors * factor, self._units(columns, segment), self.parameters.values
        # (units, c)
        back = np.where(units > 0, values[OUT][:, None] * errors, np.float32(0))
        every = slice(None)
        gradients: dict[str, tuple[int | slice, Floats]] = {
            DIRECT: (every, direct * factor),
            HIDDEN: (every, back @ columns.T),
            CONTEXT: (segment, back.sum(axis=1)),
            OUT: (every, np.maximum(units, 0) @ errors),
        }
        self.parameters.step(gradients)

    def _units(self, columns: Floats, segment: int) -> Floats:
        values = self.parameters.values
        units: Floats = values[HIDDEN] @ columns
        units += values[CONTEXT][segment][:, None]
        return units
