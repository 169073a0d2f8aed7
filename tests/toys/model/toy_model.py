"""Interest model `latest`: a user is interested in what the last event was about, and in nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from streams.interest.base import Change, Floats, Interests, Longs, Signals, States, running_times, unit
from streams.settings.settings import Settings


class LatestModel:
    """Keeps one vector per user."""

    name = "latest"

    def __init__(self, dim: int) -> None:
        self.dim, self.version = dim, f"1-{dim}"

    def state_dtype(self) -> np.dtype[Any]:
        """time (ms) of the newest event, number of signals, which of them the vector is of, and the vector."""
        return np.dtype(
            [("time", "<i8"), ("signals", "<i8"), ("latest", "<i8"), ("vector", "<f4", (self.dim,))]
        )

    def update(self, states: States, signals: Signals) -> Change:
        """See InterestModel."""
        _, after = running_times(signals, states["time"])
        for begin, end in pairwise(signals.starts.tolist()):
            users, weights = signals.users[begin:end], signals.weights[begin:end]
            moved = weights != 0
            vectors = signals.vectors[begin:end][moved] * np.sign(weights[moved])[:, None]
            states["vector"][users[moved]] = vectors
            states["latest"][users[moved]] = states["signals"][users[moved]]
            states["signals"][users] += 1
        np.maximum.at(states["time"], signals.users, after)
        return Change(int(np.count_nonzero(after != signals.times)))

    def times(self, states: States) -> Longs:
        """(U,) ms."""
        times: Longs = states["time"]
        return times

    def counts(self, states: States) -> Longs:
        """(U,)."""
        counts: Longs = states["signals"]
        return counts

    def interest(self, states: States) -> Interests:
        """One vector per user."""
        return Interests.single(unit(states["vector"]))

    def coefficients(self, states: States, times: Longs, weights: Floats, ordinals: Longs) -> Floats:
        """(U, 1, H): for the last event that has a weight, 1 or -1 by the length of its vector; 0 for all others."""
        latest = ordinals == states["latest"][:, None]
        lengths = np.maximum(np.linalg.norm(states["vector"], axis=1), np.finfo(np.float32).tiny)
        return np.where(latest, np.sign(weights) / lengths[:, None], np.float32(0))[:, None]


def from_settings(settings: Settings) -> LatestModel:
    """Of the stream's dimensions."""
    return LatestModel(settings.encoder.dimensions)
