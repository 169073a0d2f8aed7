"""How sure a figure is: resampling of users, the same ones for all contenders (paired bootstrap)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.history.evaluate.judged import Judged
from streams.history.evaluate.marks import Doubles

RESAMPLES = 10_000
# Resamples drawn at a time, so that memory stays small.
AT_ONCE = 250
# Ends of the interval in which 95 of 100 resamples lie.
ENDS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the interval in which 95 % of the resamples lie; NaN for what a resample could not give."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (
            f"{one:.4f}" if math.isfinite(one) else "-" for one in (self.value, self.low, self.high)
        )
        return value if low == high == "-" else f"{value} [{low}, {high}]"


def intervals(
    all_judged: Sequence[Judged], reference: str, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """NDCG@10 by name, and its ratio to the reference's.

    All were judged on the same visits, and the reference is among them; else ValueError is raised. Users are drawn with
    replacement, each with all visits.
    """
    names = [judged.name for judged in all_judged]
    if reference not in names:
        raise ValueError(f"the reference {reference} was not judged; there are: {', '.join(names)}")
    sums = np.stack([_by_user(judged) for judged in all_judged])
    if any(not np.array_equal(judged.numbers, all_judged[0].numbers) for judged in all_judged):
        raise ValueError("the contenders were judged on different visits")
    drawn = _resampled(sums, seed, resamples)
    whole = sums.sum(axis=2)
    at = names.index(reference)
    means = _intervals(names, whole[:, 0] / whole[:, 1], drawn[:, 0] / drawn[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = _intervals(names, whole[:, 0] / whole[at, 0], drawn[:, 0] / drawn[at, 0])
    return means, ratios


def _by_user(judged: Judged) -> Doubles:
    """(2, U) sum of the gains, and number of targets, of each user that was asked about."""
    _, user = np.unique(judged.users, return_inverse=True)
    return np.stack([np.bincount(user, weights=judged.column(name)) for name in ("gain", "targets")])


def _resampled(sums: Doubles, seed: int, resamples: int) -> Doubles:
    """(contenders, 2, resamples) of sums (contenders, 2, U)."""
    draw, users = np.random.default_rng(seed), sums.shape[2]
    found = np.empty((*sums.shape[:2], resamples))
    for begin in range(0, resamples, AT_ONCE):
        size = min(AT_ONCE, resamples - begin)
        chosen = draw.integers(users, size=(size, users)) + users * np.arange(size)[:, None]
        times = np.bincount(chosen.ravel(), minlength=size * users).reshape(size, users)
        found[:, :, begin : begin + size] = sums @ times.T
    return found


def _intervals(names: Sequence[str], values: Doubles, drawn: Doubles) -> dict[str, Interval]:
    """values (contenders,), drawn (contenders, resamples)."""
    low, high = np.percentile(drawn, ENDS, axis=1)
    rows = zip(names, values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Interval(value, one, other) for name, value, one, other in rows}
