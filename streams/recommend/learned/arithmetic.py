"""The numbers behind the rankers: columns, scores and gradients, compiled or in numpy to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kernels import ranking
from streams.kernels.compiling import compiled
from streams.kernels.ranking import EXP, HALF, LITTLE, LN2_HIGH, LN2_LOW, LOG, LOG2_E, LOWEST, ONE, SQRT_2
from streams.kernels.requests.decays import EXP2, LEAST, ROUNDER
from streams.recommend.base import Floats, Mask

Doubles = npt.NDArray[np.float64]


def columns(scores: Floats, signed: Mask) -> Floats:
    """(K, c) the columns of scores (S, c); see `Columns.of`."""
    # Three of a score that is at least 0, one of a signed one.
    out = np.empty((3 * len(signed) - 2 * np.count_nonzero(signed), scores.shape[1]), dtype=np.float32)
    if not out.size:
        return out
    if compiled():
        ranking.columns(scores, signed, out)
        return out
    k = 0
    for own, one in zip(np.where(np.isnan(scores), np.float32(0), scores), signed, strict=True):
        values = own if one else _ratios(np.maximum(own, np.float32(0)))
        out[k] = _standard(values)
        if not one:
            out[k + 1], out[k + 2] = _centred(_log(values + ONE)), _centred(_log(values + LITTLE))
        k += 1 if one else 3
    return out


def weighed(columns: Floats, weights: Floats) -> Floats:
    """(c,) the columns (K, c) times their weights (K,), added in their order."""
    scores: Floats = np.zeros(columns.shape[1], dtype=np.float32)
    if compiled():
        ranking.weigh(columns, weights, scores)
        return scores
    for column, weight in zip(columns, weights, strict=True):
        scores += weight * column
    return scores


def gradient(columns: Floats, logits: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Errors (c,) of the softmax of logits (c,), at least one, and the gradient (K,) of its cross entropy.

    targets: (c,) what the probabilities ought to be, adding up to 1.
    """
    errors, out = np.empty_like(logits), np.empty(len(columns), dtype=np.float32)
    if compiled():
        ranking.gradient(columns, logits, targets, errors, out)
        return errors, out
    powers = _exp(logits - logits.max())
    errors = powers * np.float32(1.0 / _sum(powers)) - targets
    for k, column in enumerate(columns):
        out[k] = _sum(column * errors)
    return errors, out


def _sum(values: npt.NDArray[Any]) -> float:
    lanes: Doubles = np.zeros((len(values) // 4 + 1, 4))
    lanes.ravel()[: len(values)] = values
    a, b, c, d = (np.add.accumulate(lanes, axis=0)[-1] + 0.0).tolist()
    return float((a + b) + (c + d))


def _ratios(values: Floats) -> Floats:
    """To their mean; zeros where all are 0."""
    mean = _sum(values) / len(values)
    return values * (np.float32(1.0 / mean) if mean > 1e-30 else np.float32(0))


def _standard(values: Floats) -> Floats:
    n, mean = len(values), _sum(values) / len(values)
    out: Floats = values - np.float32(mean)
    variance = _sum(out.astype(np.float64) ** 2) / n
    spread = variance > ranking.NO_SPREAD * (mean * mean) and variance > 0.0
    return out * (np.float32(1.0 / np.sqrt(variance)) if spread else np.float32(0))


def _centred(values: Floats) -> Floats:
    return values - np.float32(_sum(values) / len(values))


def _log(values: Floats) -> Floats:
    words = values.view(np.int32)
    mantissa = ((words & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    power = ((words >> 23) - 127).astype(np.float32)
    big = mantissa > SQRT_2
    x = np.where(big, mantissa * HALF, mantissa) - ONE
    power = np.where(big, power + ONE, power)
    square: Any = x * x
    y: Any = LOG[0]
    for term in LOG[1:]:
        y = y * x + term
    y = y * x * square
    y = y + power * LN2_LOW
    y = y - HALF * square
    found: Floats = (x + y) + power * LN2_HIGH
    return found


def _exp(values: Floats) -> Floats:
    x = np.maximum(values, LOWEST)
    whole = np.floor(x * LOG2_E + HALF)
    x = x - whole * LN2_HIGH
    x = x - whole * LN2_LOW
    y: Any = EXP[0]
    for term in EXP[1:]:
        y = y * x + term
    found: Floats = (y * (x * x) + x) + ONE
    found *= ((whole.astype(np.int32) + 127) << 23).view(np.float32)
    return found


def decays(elapsed: Doubles, half_life: float) -> Doubles:
    """2^-(elapsed / half_life), as `kernels.requests.decays` has it."""
    x: Doubles = np.maximum(elapsed / -half_life, LEAST)
    whole = x + ROUNDER
    x = x - (whole - ROUNDER)
    y: Any = EXP2[0]
    for term in EXP2[1:]:
        y = y * x + term
    found: Doubles = y * ((whole.view(np.int64) << 52) + (1023 << 52)).view(np.float64)
    return found
