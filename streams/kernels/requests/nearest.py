"""Dot products that are added up in the order of `recommend.exact.dots`, to the same bits.

A kernel that was kept does not see a change of `choosing`: where `_top` changes, change this file, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address
from streams.kernels.requests.choosing import _top


@helper
def _dot(one: Any, first: int, other: Any, second: int, dim: int, terms: Any) -> Any:
    """Product of one[first : first + dim] and other[second : second + dim]. terms: room for half of them.

    The upper half is folded onto the lower; of an odd number the middle one waits.
    """
    half = (dim + 1) // 2
    for i in range(dim - half):
        terms[i] = one[first + i] * other[second + i] + one[first + half + i] * other[second + half + i]
    if dim - half < half:
        terms[half - 1] = one[first + half - 1] * other[second + half - 1]
    while half > 1:
        width = half
        half = (width + 1) // 2
        for i in range(width - half):
            terms[i] += terms[half + i]
    return terms[0] + np.float32(0)


@helper
def _largest(vectors: Any, items: Any, rows: Any, found: Any) -> None:
    """See `largest`."""
    dim = items.shape[1]
    scratch = np.empty(dim + 1, np.float32)
    one, other, terms = address(vectors), address(items), address(scratch)
    for i in range(len(rows)):
        best = np.float32(-np.inf)
        for m in range(len(vectors)):
            best = max(best, _dot(one, m * dim, other, rows[i] * dim, dim, terms))
        found[i] = best


@kernel("f4:C2 f4:C2 i4:C1 f4:C1!")
def largest(vectors: Any, items: Any, rows: Any, found: Any) -> None:
    """Write the largest product of each row (c,) of `items` with one of the vectors (m, dim)."""
    _largest(vectors, items, rows, found)


@kernel("f4:C2 f4:C2 i4:C1 i8 i4:C1! f4:C1!")
def best(vectors: Any, items: Any, rows: Any, k: int, found: Any, scores: Any) -> int:
    """Write the k of these rows (c,) that have the largest such products, the largest first, of equal ones the smaller
    row first, and the products; returns how many."""
    products, count = np.empty(len(rows), np.float32), 0
    _largest(vectors, items, rows, products)
    for at in _top(products, rows, k):
        found[count], scores[count] = rows[at], products[at]
        count += 1
    return count
