"""A linear softmax over the candidates, with weights for all requests and further ones for each segment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from streams.recommend.base import Floats, Longs
from streams.recommend.learned import arithmetic
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.parameters import Parameters
from streams.recommend.learned.segments import NAMES

ALL, SEGMENTS = "all", "segments"


@dataclass
class LinearRanker:
    """The logit of a candidate is its columns times w = w_all + w_segment.

    It learns by the cross entropy between the softmax of the logits and an equal share for each item used. The
    gradient is taken times the root of their number: a basket says more than one item, yet not as much as so many.
    rate, segment_rate: of AdaGrad.
    """

    kind: ClassVar[str] = "linear"
    by_column: ClassVar[tuple[str, ...]] = (ALL, SEGMENTS)
    remainder: ClassVar[str | None] = None

    columns: Columns
    rate: float = 0.05
    segment_rate: float = 0.02
    parameters: Parameters = field(init=False)

    def __post_init__(self) -> None:
        start = {ALL: self.columns.start, SEGMENTS: np.zeros((len(NAMES), len(self.columns)), np.float32)}
        self.parameters = Parameters(start, {ALL: self.rate, SEGMENTS: self.segment_rate})

    def weights(self, segment: int) -> Floats:
        """(K,)"""
        values = self.parameters.values
        weights: Floats = values[ALL] + values[SEGMENTS][segment]
        return weights

    def logits(self, columns: Floats, segment: int) -> Floats:
        """See `LearnedRanker.logits`."""
        return arithmetic.weighed(columns, self.weights(segment))

    def slopes(self, columns: Floats, segment: int) -> Floats:
        """The same for all candidates."""
        slopes: Floats = np.repeat(self.weights(segment)[:, None], columns.shape[1], axis=1)
        return slopes

    def learn(self, columns: Floats, segment: int, used: Longs) -> None:
        """See `LearnedRanker.learn`."""
        self.towards(columns, segment, shares(columns, used), len(used) ** 0.5)

    def towards(self, columns: Floats, segment: int, targets: Floats, times: float) -> None:
        """See `LearnedRanker.towards`."""
        _, gradient = arithmetic.gradient(columns, self.logits(columns, segment), targets)
        gradient *= np.float32(times)
        self.parameters.step({ALL: (slice(None), gradient), SEGMENTS: (segment, gradient)})


def shares(columns: Floats, used: Longs) -> Floats:
    """(c,) an equal share for each item used, and 0 for others."""
    found: Floats = np.zeros(columns.shape[1], dtype=np.float32)
    found[used] = 1 / len(used)
    return found
