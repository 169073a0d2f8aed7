"""Rows of length 1, and the mix of two. Sums of squares are taken in the order in which numpy takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

# Of numpy's pairwise sum: up to so many are added in eight runs side by side; more are added in halves.
BLOCK = 128
# Halvings of the longest row, at least: 2**DEPTH is more than any row has.
DEPTH = 40


@helper
def _block(row: Any, first: int, n: int) -> Any:
    """Sum of the squares of row[first : first + n], n at most BLOCK."""
    if n < 8:
        total = np.float32(0)
        for i in range(first, first + n):
            total += row[i] * row[i]
        return total
    # Written out, so that the eight stay in registers.
    even = first + n - n % 8
    a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    e, f, g, h = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for i in range(first, even, 8):
        a += row[i] * row[i]
        b += row[i + 1] * row[i + 1]
        c += row[i + 2] * row[i + 2]
        d += row[i + 3] * row[i + 3]
        e += row[i + 4] * row[i + 4]
        f += row[i + 5] * row[i + 5]
        g += row[i + 6] * row[i + 6]
        h += row[i + 7] * row[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(even, first + n):
        total += row[i] * row[i]
    return total


@helper
def _squares(row: Any, begin: int, size: int) -> Any:
    """Sum of the squares of row[begin : begin + size], as numpy adds float32 up: many in halves, and these in halves.

    By a stack, for numba cannot keep a function that calls itself.
    """
    if size <= BLOCK:
        return _block(row, begin, size)
    # What is still to be added up, (first, number), with (0, 0) for "add the last two sums".
    parts, sums = np.empty((2 * DEPTH, 2), np.int64), np.empty(DEPTH, np.float32)
    parts[0], pending, known = (begin, size), 1, 0
    while pending > 0:
        pending -= 1
        first, n = parts[pending]
        if n == 0:
            known -= 1
            sums[known - 1] += sums[known]
        elif n <= BLOCK:
            sums[known] = _block(row, first, n)
            known += 1
        else:
            half = n // 2
            half -= half % 8
            parts[pending], parts[pending + 1] = (0, 0), (first + half, n - half)
            parts[pending + 2] = (first, half)
            pending += 3
    return sums[0]


@helper
def _direct(row: Any, begin: int, size: int, out: Any, place: int) -> bool:
    """Write row[begin : begin + size], scaled to length 1, to out[place] and behind it; zeros where it has no length.

    True where its length overflowed.
    """
    norm = np.sqrt(_squares(row, begin, size))
    if norm > 0:
        for i in range(size):
            out[place + i] = row[begin + i] / norm
    else:
        for i in range(size):
            out[place + i] = np.float32(0)
    if norm != np.inf:
        return False
    finite = True
    for i in range(size):
        finite &= abs(row[begin + i]) != np.inf
    return finite


@kernel("f4:C2 f4:C2!")
def unit(rows: Any, out: Any) -> int:
    """Write the rows (n, dim) scaled to length 1; zero rows stay zero. Returns how many lengths overflowed."""
    overflown, size = 0, rows.shape[1]
    row, written = address(rows), address(out)
    for i in range(len(rows)):
        overflown += _direct(row, i * size, size, written, i * size)
    return overflown


@kernel("f4:C2 f4 f4 f4:C2!")
def mix(sums: Any, short_share: Any, long_share: Any, out: Any) -> int:
    """Write unit(short_share * unit(short) + long_share * unit(long)) per user. Returns how many lengths overflowed.

    sums: (U, m) of which row u begins with user u's short and long sum. out: (U, dim).
    """
    overflown, dim, width = 0, out.shape[1], sums.shape[1]
    mixed = np.empty(2 * dim, np.float32)
    row, both, written = address(sums), address(mixed), address(out)
    for user in range(len(sums)):
        overflown += _direct(row, user * width, dim, both, 0)
        overflown += _direct(row, user * width + dim, dim, both, dim)
        for i in range(dim):
            mixed[i] = mixed[i] * short_share + mixed[dim + i] * long_share
        overflown += _direct(both, 0, dim, written, user * dim)
    return overflown
