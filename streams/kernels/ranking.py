"""Columns of a request's candidates, their scores, and the gradient of one answer to a request.

Sums have four lanes, so that a processor adds four at a time; log and exp are polynomials (Cephes, S. Moshier), for
those of a C library have other last bits elsewhere. `recommend.learned.arithmetic` has the numpy twins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# Of log: what follows x - x^2 / 2, highest power first; ln 2 in two parts.
LOG = tuple(
    np.float32(term)
    for term in (
        *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )
)
EXP = tuple(
    np.float32(term)
    for term in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
)
LN2_HIGH, LN2_LOW, LOG2_E = (
    np.float32(0.693359375),
    np.float32(-2.12194440e-4),
    np.float32(1.44269504088896341),
)
SQRT_2, HALF, ONE = np.float32(1.41421356), np.float32(0.5), np.float32(1)
# Added to a ratio before its logarithm is taken, so that nothing stands at a finite place below little.
LITTLE = np.float32(0.02)
# A variance below this share of the squared mean is rounding.
NO_SPREAD = 1e-10
# Below it exp gives 0.
LOWEST = np.float32(-87)


@helper
def _sum(values: Any) -> float:
    """In four lanes: value i belongs to lane i modulo 4."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = len(values)
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    if whole < n:
        a += values[whole]
    if whole + 1 < n:
        b += values[whole + 1]
    if whole + 2 < n:
        c += values[whole + 2]
    return (a + b) + (c + d)


@helper
def _centre(values: Any) -> None:
    middle = np.float32(_sum(values) / len(values))
    for i in range(len(values)):
        values[i] = values[i] - middle


@helper
def _polynomial_of_log(x: Any) -> Any:
    y = LOG[0]
    y = y * x + LOG[1]
    y = y * x + LOG[2]
    y = y * x + LOG[3]
    y = y * x + LOG[4]
    y = y * x + LOG[5]
    y = y * x + LOG[6]
    y = y * x + LOG[7]
    return y * x + LOG[8]


@helper
def _log(values: Any, added: Any, bits: Any, out: Any) -> None:
    """Write log(values + added), of sums of at least 1e-30, less its mean. bits: (c,) i4 scratch."""
    n = len(values)
    mantissas, words = bits.view(np.float32), out.view(np.int32)
    for i in range(n):
        out[i] = values[i] + added
    for i in range(n):
        bits[i] = (words[i] & 0x7FFFFF) | 0x3F800000
    for i in range(n):
        power = np.float32((words[i] >> 23) - 127)
        m = mantissas[i]
        big = m > SQRT_2
        m = m * HALF if big else m
        power = power + ONE if big else power
        x = m - ONE
        square = x * x
        y = _polynomial_of_log(x) * x * square
        y = y + power * LN2_LOW
        y = y - HALF * square
        out[i] = (x + y) + power * LN2_HIGH
    _centre(out)


@helper
def _polynomial_of_exp(x: Any) -> Any:
    y = EXP[0]
    y = y * x + EXP[1]
    y = y * x + EXP[2]
    y = y * x + EXP[3]
    y = y * x + EXP[4]
    return y * x + EXP[5]


@helper
def _exp(values: Any, less: Any, bits: Any, out: Any) -> None:
    """Write exp(values - less), of differences of at most 0. bits: (c,) i4 scratch."""
    n = len(values)
    powers = bits.view(np.float32)
    for i in range(n):
        x = max(values[i] - less, LOWEST)
        whole = np.floor(x * LOG2_E + HALF)
        bits[i] = (np.int32(whole) + 127) << 23
        x = x - whole * LN2_HIGH
        x = x - whole * LN2_LOW
        out[i] = (_polynomial_of_exp(x) * (x * x) + x) + ONE
    for i in range(n):
        out[i] = out[i] * powers[i]


@helper
def _standard(values: Any, squares: Any, out: Any) -> None:
    """Write (values - mean) / standard deviation; zeros where there is no spread. squares: (c,) f8 scratch."""
    n = len(values)
    mean = _sum(values) / n
    middle = np.float32(mean)
    for i in range(n):
        out[i] = values[i] - middle
    for i in range(n):
        squares[i] = np.float64(out[i]) * np.float64(out[i])
    variance = _sum(squares) / n
    scale = np.float32(0)
    if variance > NO_SPREAD * (mean * mean) and variance > 0.0:
        scale = np.float32(1.0 / np.sqrt(variance))
    for i in range(n):
        out[i] = out[i] * scale


@helper
def _to_ratios(values: Any) -> None:
    """Divide what is at least 0 by the mean; zeros where all are 0. What is below counts as 0."""
    n, zero = len(values), np.float32(0)
    for i in range(n):
        values[i] = max(values[i], zero)
    mean = _sum(values) / n
    scale = np.float32(1.0 / mean) if mean > 1e-30 else zero
    for i in range(n):
        values[i] = values[i] * scale


@kernel("f4:A2 b1:C1 f4:C2!")
def columns(scores: Any, signed: Any, out: Any) -> None:
    """Write the columns (K, c) of scores (S, c), c at least 1; see `recommend.learned.columns`.

    signed: (S,) true for scores that have one column, false for those that have three.
    """
    count, n = scores.shape
    values, squares, bits = np.empty(n, np.float32), np.empty(n, np.float64), np.empty(n, np.int32)
    zero, k = np.float32(0), 0
    for s in range(count):
        for i in range(n):
            one = scores[s, i]
            values[i] = one if one == one else zero
        if not signed[s]:
            _to_ratios(values)
        _standard(values, squares, out[k])
        k += 1
        if not signed[s]:
            _log(values, ONE, bits, out[k])
            _log(values, LITTLE, bits, out[k + 1])
            k += 2


@kernel("f4:C2 f4:C1 f4:C1!")
def weigh(columns: Any, weights: Any, scores: Any) -> None:
    """Add to the scores (c,) every column (K, c) times its weight, in the order of the columns."""
    for k in range(len(columns)):
        column, weight = columns[k], weights[k]
        for i in range(len(scores)):
            scores[i] = scores[i] + weight * column[i]


@kernel("f4:C2 f4:C1 f4:C1 f4:C1! f4:C1!")
def gradient(columns: Any, logits: Any, targets: Any, errors: Any, out: Any) -> None:
    """Write the errors of a softmax (c,), and the gradient (K,) of its cross entropy by each column's weight.

    targets: (c,) what the probabilities ought to be, adding up to 1.
    """
    n = len(logits)
    bits, terms = np.empty(n, np.int32), np.empty(n, np.float32)
    highest = logits[0]
    for i in range(n):
        highest = max(highest, logits[i])
    _exp(logits, highest, bits, errors)
    scale = np.float32(1.0 / _sum(errors))
    for i in range(n):
        errors[i] = errors[i] * scale - targets[i]
    for k in range(len(columns)):
        column = columns[k]
        for i in range(n):
            terms[i] = column[i] * errors[i]
        out[k] = np.float32(_sum(terms))
