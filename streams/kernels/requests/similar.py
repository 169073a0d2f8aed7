"""How similar items are to each of a user's items; `recommend.sources.similar` has the numpy twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

# Of a user's items that are looked at: a number that the compiler knows, so that it adds up all of them at once.
ROOM = 32


@helper
def _eight(sums: Any, own: Any, at: int, items: Any, first: int) -> None:
    """Add to each sum (ROOM,) the products of eight dimensions, one after the other; eight are loaded at a time."""
    a, b, c, d = items[first], items[first + 1], items[first + 2], items[first + 3]
    e, f, g, i = items[first + 4], items[first + 5], items[first + 6], items[first + 7]
    for h in range(ROOM):
        total = sums[h] + a * own[at + h]
        total = total + b * own[at + ROOM + h]
        total = total + c * own[at + 2 * ROOM + h]
        total = total + d * own[at + 3 * ROOM + h]
        total = total + e * own[at + 4 * ROOM + h]
        total = total + f * own[at + 5 * ROOM + h]
        total = total + g * own[at + 6 * ROOM + h]
        sums[h] = total + i * own[at + 7 * ROOM + h]


@helper
def _products(sums: Any, own: Any, items: Any, row: int, dim: int) -> None:
    """Write the products (ROOM,) of a row of `items` with the user's items."""
    for h in range(ROOM):
        sums[h] = np.float32(0)
    d = 0
    while d + 8 <= dim:
        _eight(sums, own, d * ROOM, items, row * dim + d)
        d += 8
    while d < dim:
        for h in range(ROOM):
            sums[h] = sums[h] + items[row * dim + d] * own[d * ROOM + h]
        d += 1


@kernel("f4:C2 i8 f4:C2 f4:C2 i4:C1 f4:C2!")
def similar(own: Any, count: int, parts: Any, items: Any, rows: Any, found: Any) -> None:
    """Write, for each of these rows (c,) of `items` (n, dim), its products with the user's items, taken together.

    own: (dim, ROOM) the vectors of the user's items, `count` of them, at least one, zeros behind them. parts: (W, ROOM)
    what each product counts in a sum. found: (W + 1, c) the sums, and the largest product.
    """
    scratch = np.empty(ROOM, np.float32)
    products, vectors, others = address(scratch), address(own), address(items)
    for i in range(len(rows)):
        _products(products, vectors, others, rows[i], own.shape[0])
        for w in range(len(parts)):
            total = np.float32(0)
            for h in range(count):
                total = total + parts[w, h] * products[h]
            found[w, i] = total
        best = products[0]
        for h in range(1, count):
            best = max(best, products[h])
        found[len(parts), i] = best
