"""Steps of two-tower vectors; `recommend.sources.towers` has the numpy twin.

Sums of products have eight lanes, so that a processor adds eight at a time. exp is that of `kernels.ranking`: a kernel
that was kept does not see a change there, so change this file, too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.ranking import EXP, HALF, LN2_HIGH, LN2_LOW, LOG2_E, LOWEST, ONE

LANES = 8


@helper
def _dot(one: Any, other: Any, lanes: Any) -> Any:
    """Product of two (dim,): value i belongs to lane i modulo LANES, which divides dim. lanes: (LANES,) scratch."""
    lanes[:] = 0
    for first in range(0, len(one), LANES):
        for i in range(LANES):
            lanes[i] = lanes[i] + one[first + i] * other[first + i]
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))


@helper
def _exp(value: Any) -> Any:
    """Of a number of at most 0."""
    x = max(value, LOWEST)
    whole = np.floor(x * LOG2_E + HALF)
    x = x - whole * LN2_HIGH
    x = x - whole * LN2_LOW
    y = EXP[0]
    y = y * x + EXP[1]
    y = y * x + EXP[2]
    y = y * x + EXP[3]
    y = y * x + EXP[4]
    y = y * x + EXP[5]
    return ((y * (x * x) + x) + ONE) * np.float32(math.ldexp(1.0, int(whole)))


@helper
def _interest(ins: Any, history: Any, parts: Any, interest: Any) -> None:
    interest[:] = 0
    for h in range(len(history)):
        vector = ins[history[h]]
        for d in range(len(interest)):
            interest[d] = interest[d] + parts[h] * vector[d]


@helper
def _errors(interest: Any, outs: Any, rows: Any, lanes: Any, errors: Any) -> None:
    """Write the errors (m,) of the softmax over `rows`, of which the first was used; 0 for those equal to it."""
    highest = _dot(interest, outs[rows[0]], lanes)
    errors[0] = highest
    for m in range(1, len(rows)):
        if rows[m] != rows[0]:
            errors[m] = _dot(interest, outs[rows[m]], lanes)
            highest = max(highest, errors[m])
    total = np.float32(0)
    for m in range(len(rows)):
        errors[m] = np.float32(0) if m > 0 and rows[m] == rows[0] else _exp(errors[m] - highest)
        total = total + errors[m]
    for m in range(len(rows)):
        errors[m] = errors[m] / total
    errors[0] = errors[0] - ONE


@kernel("f4:C2 i4:C1 f4:C1 f4:C1!")
def interest(ins: Any, history: Any, parts: Any, found: Any) -> None:
    """Write the sum (dim,) of the vectors `ins` (n, dim) of h items, each times its part."""
    _interest(ins, history, parts, found)


@kernel("f4:C1 f4:C2 i4:C1 f4:C1!")
def products(interest: Any, outs: Any, rows: Any, found: Any) -> None:
    """Write the products (c,) of an interest (dim,) and the vectors `outs` (n, dim) of these rows."""
    lanes = np.empty(LANES, np.float32)
    for i in range(len(rows)):
        found[i] = _dot(interest, outs[rows[i]], lanes)


@kernel("f4:C2! f4:C2! f4:C1! f4:C1! i4:C1 f4:C1 i4:C2 f4")
def teach(
    ins: Any,
    outs: Any,
    in_squares: Any,
    out_squares: Any,
    history: Any,
    parts: Any,
    drawn: Any,
    rate: Any,
) -> None:
    """A step for each row of `drawn` (t, m): its first item was used after those of `history` (h,), the others not.

    ins, outs: (n, dim) vectors. in_squares, out_squares: (n,) AdaGrad's sums, one for each vector.
    """
    dim, count = ins.shape[1], drawn.shape[1]
    width, lanes = np.float32(dim), np.empty(LANES, np.float32)
    interest, back, errors = np.empty(dim, np.float32), np.empty(dim, np.float32), np.empty(count, np.float32)
    for t in range(len(drawn)):
        _interest(ins, history, parts, interest)
        _errors(interest, outs, drawn[t], lanes, errors)
        length = _dot(interest, interest, lanes) / width
        back[:] = 0
        for m in range(count):
            vector, row, error = outs[drawn[t, m]], drawn[t, m], errors[m]
            if error != 0:
                out_squares[row] = out_squares[row] + error * error * length
                step = rate / np.sqrt(out_squares[row]) * error
                for d in range(dim):
                    back[d] = back[d] + error * vector[d]
                    vector[d] = vector[d] - step * interest[d]
        length = _dot(back, back, lanes) / width
        for h in range(len(history)):
            vector, row = ins[history[h]], history[h]
            in_squares[row] = in_squares[row] + parts[h] * parts[h] * length
            step = rate / np.sqrt(in_squares[row]) * parts[h]
            for d in range(dim):
                vector[d] = vector[d] - step * back[d]


@kernel("i4:C1 i4:C1! i8:C1! i4:C1! i4:C1! f4:C3! f4:C2! f4:C2 f4:C2 f4:C1 f4:C1")
def keep(
    rows: Any,
    places: Any,
    counts: Any,
    free: Any,
    kept: Any,
    vectors: Any,
    squares: Any,
    ins: Any,
    outs: Any,
    in_squares: Any,
    out_squares: Any,
) -> None:
    """Copy what these rows (m,) are, each in a place of its own, where they have none yet.

    places: (n,) place of each row, -1 for none. counts: (2,) places ever taken, and those of them that are free again,
    which stand in `free` (c,). kept: (c,) row of each place. vectors: (c, 2, dim), squares: (c, 2) the copies.
    """
    dim = ins.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        if places[row] >= 0:
            continue
        if counts[1] > 0:
            counts[1] = counts[1] - 1
            place = free[counts[1]]
        else:
            place = np.int32(counts[0])
            counts[0] = counts[0] + 1
        places[row], kept[place] = place, row
        squares[place, 0], squares[place, 1] = in_squares[row], out_squares[row]
        for d in range(dim):
            vectors[place, 0, d], vectors[place, 1, d] = ins[row, d], outs[row, d]


@kernel("i4:C1 i4:C1 f4:C3 f4:C2 f4:C2 f4:C1!")
def distances(rows: Any, places: Any, vectors: Any, ins: Any, outs: Any, found: Any) -> None:
    """Add to `found` (m,) the squares of how far the vectors of these rows (m,) are from their copies (c, 2, dim).

    places: (m,) of the copies, -1 for none.
    """
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        if place >= 0:
            for d in range(ins.shape[1]):
                one, other = ins[row, d] - vectors[place, 0, d], outs[row, d] - vectors[place, 1, d]
                found[i] = found[i] + (one * one + other * other)
