"""What decays with time: the uses of items, and a user's own.

2^x is a polynomial, for that of a C library has other last bits elsewhere; `recommend.learned.arithmetic` has the
numpy twin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# 2^x of an x of at most 1/2 either way, the highest power first: to 3e-13.
EXP2 = tuple(math.log(2.0) ** power / math.factorial(power) for power in range(10, -1, -1))
# Added and taken away again, it rounds a small number to a whole one, which then stands in the last bits.
ROUNDER = 1.5 * 2.0**52
# Below it 2^x counts as if x was this.
LEAST = -1000.0
_ONE = np.int64(1023) << np.int64(52)


@helper
def _polynomial(x: Any) -> Any:
    y = EXP2[0]
    y = y * x + EXP2[1]
    y = y * x + EXP2[2]
    y = y * x + EXP2[3]
    y = y * x + EXP2[4]
    y = y * x + EXP2[5]
    y = y * x + EXP2[6]
    y = y * x + EXP2[7]
    y = y * x + EXP2[8]
    y = y * x + EXP2[9]
    return y * x + EXP2[10]


@helper
def _decays(elapsed: Any, half_life: Any, whole: Any, out: Any) -> None:
    """Write 2^-(elapsed / half_life). All (c,) f8. whole: scratch."""
    words = whole.view(np.int64)
    for i in range(len(elapsed)):
        x = max(elapsed[i] / -half_life, LEAST)
        whole[i] = x + ROUNDER
        out[i] = _polynomial(x - (whole[i] - ROUNDER))
    for i in range(len(elapsed)):
        words[i] = (words[i] << 52) + _ONE
    for i in range(len(elapsed)):
        out[i] = out[i] * whole[i]


@kernel("i4:C1 i8 i8:C1 i8:C1 f8:C2 f8:C1 f4:A2!")
def popular(rows: Any, when: Any, newest: Any, uses: Any, sums: Any, half_lives: Any, said: Any) -> None:
    """Write the decayed sums (h, c) of rows (c,) as of a time; NaN for those that were never used.

    newest, uses, sums: (n,), (n,), (n, h) as in an `ItemTable`. A use after that time counts whole.
    """
    n = len(rows)
    elapsed, whole, decays = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        elapsed[i] = max(when - newest[rows[i]], 0)
    for h in range(len(half_lives)):
        _decays(elapsed, half_lives[h], whole, decays)
        for i in range(n):
            said[h, i] = np.float32(sums[rows[i], h] * decays[i])
    for i in range(n):
        if uses[rows[i]] == 0:
            said[:, i] = np.nan


@kernel("i4:C1 i8 i8:C1 i8:C1 i8 f8 f4:C2!")
def scales(items: Any, when: Any, uses: Any, blocks: Any, length: Any, half_life: Any, found: Any) -> None:
    """Write by what the weights of neighbours of items (c,) in both lists are multiplied (c, 2): (uses + 3)^-0.5, and
    in the second list decayed to a time. blocks: (n,), of so many milliseconds."""
    n = len(items)
    elapsed, whole, decays = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        elapsed[i] = max(when - blocks[items[i]] * length, 0)
    _decays(elapsed, half_life, whole, decays)
    for i in range(n):
        found[i, 0] = np.float32(1.0 / np.sqrt(uses[items[i]] + 3.0))
        found[i, 1] = found[i, 0] * np.float32(decays[i])


@kernel("i4:A1 f4:A1 i8:A1 i8 f8:C1 i4:C1! f4:C2! i4:C1!")
def own(
    rows: Any, weights: Any, times: Any, when: Any, half_lives: Any, slots: Any, sums: Any, touched: Any
) -> int:
    """Add a user's uses up by item, decayed at each half-life, and their number; returns how many items, and writes
    them as they come. rows, weights, times: (H,). sums: (c, h + 1), zeros. See `choosing` for sums and slots."""
    n, count, width = len(rows), 0, len(half_lives)
    elapsed, whole, decays = np.empty(n), np.empty(n), np.ones((width + 1, n))
    for i in range(n):
        elapsed[i] = max(when - times[i], 0)
    for h in range(width):
        _decays(elapsed, half_lives[h], whole, decays[h])
    for i in range(n):
        if rows[i] < 0 or not weights[i] > 0:
            continue
        if slots[rows[i]] == 0:
            touched[count] = rows[i]
            count += 1
            slots[rows[i]] = count
        for h in range(width + 1):
            sums[slots[rows[i]] - 1, h] += np.float32(decays[h, i])
    return count
