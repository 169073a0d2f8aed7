"""Dot products that are added up in the order of `recommend.exact.dots`, to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address


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


@kernel("f4:C2 f4:C2 i4:C1 f4:C1!")
def largest(vectors: Any, items: Any, rows: Any, found: Any) -> None:
    """Write the largest product of each row (c,) of `items` with one of the vectors (m, dim)."""
    dim = items.shape[1]
    scratch = np.empty(dim + 1, np.float32)
    one, other, terms = address(vectors), address(items), address(scratch)
    for i in range(len(rows)):
        best = np.float32(-np.inf)
        for m in range(len(vectors)):
            best = max(best, _dot(one, m * dim, other, rows[i] * dim, dim, terms))
        found[i] = best


@helper
def _keep(heap: Any, size: int, value: Any) -> int:
    """Put a value among the largest ones, of which the smallest stands first; returns how many there are."""
    k, at = len(heap), size
    if size < k:
        while at > 0 and heap[(at - 1) // 2] > value:
            heap[at], at = heap[(at - 1) // 2], (at - 1) // 2
        heap[at] = value
        return size + 1
    at, child = 0, 1
    while child < k:
        if child + 1 < k and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at], at, child = heap[child], child, 2 * child + 1
    heap[at] = value
    return size


@kernel("f4:C2 f4:C1 b1:C1 i8 i4:C1!")
def nominate(products: Any, margins: Any, banned: Any, k: int, found: Any) -> int:
    """Write the rows that may be among the k best, by the largest of their products (m, n); returns how many.

    margins: (m,) how far below the k-th best product the product of one of them can lie.
    """
    values, heap, size = products[0].copy(), np.empty(k, np.float32), 0
    for m in range(1, len(products)):
        for i in range(len(values)):
            values[i] = max(values[i], products[m, i])
    for i in range(len(values)):
        if not banned[i] and (size < k or values[i] > heap[0]):
            size = _keep(heap, size, values[i])
    count, bound = 0, heap[0] - margins.max() if size == k else np.float32(-np.inf)
    for i in range(len(values)):
        if not banned[i] and values[i] >= bound:
            found[count] = i
            count += 1
    return count
