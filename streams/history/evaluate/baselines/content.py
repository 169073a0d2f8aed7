"""Items whose vectors are like those of what the user used."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import DAY_MS
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import one_of
from streams.history.evaluate.contender import Request, Rows

Vectors = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False)
class Content(Baseline):
    """score(u, j) = cosine of the item's vector and the decayed sum of the vectors of what the user used.

    vectors: (items, dim) float32, finite; the zero vector for an item without any.
    """

    name = "decayed_content"
    vectors: Vectors = field(repr=False)
    # The user's sum halves per so many of the user's own uses, and per so many days; 0 for no decay.
    half_life_events: float = one_of(5.0, (0.0, 2.0, 5.0, 20.0, 100.0))
    half_life_days: float = one_of(0.0, (0.0, 1.0, 30.0, 90.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vectors.shape[:1] != (self.items,):
            raise ValueError(f"vectors must be one per item, {self.items}, not {self.vectors.shape}")
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self._vectors = np.ascontiguousarray(self.vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
        # Of each user, the sum and its time.
        self._sums: dict[int, tuple[Vectors, int]] = {}

    def _scores(self, request: Request) -> Scores:
        if request.user not in self._sums:
            return np.zeros(self.items)
        total = self._sums[request.user][0]
        length = np.linalg.norm(total)
        return (self._vectors @ (total / max(length, np.float32(1e-12)))).astype(np.float64)

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        total, before = self._sums.get(user, (np.zeros(self._vectors.shape[1], np.float32), time))
        if self.half_life_days:
            total = total * np.float32(2.0 ** (min(before - time, 0) / (self.half_life_days * DAY_MS)))
        per_use = 2.0 ** (-1.0 / self.half_life_events) if self.half_life_events else 1.0
        fades = (per_use ** np.arange(len(rows))[::-1]).astype(np.float32)
        total = total * np.float32(per_use ** len(rows)) + fades @ self._vectors[rows]
        self._sums[user] = total.astype(np.float32), max(before, time)
