"""Products with vectors of one byte per number, and which rows they leave among the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@kernel("i1:C2 f4:C2 i2:C1 f4 f4 f4 f4:C1! f4:C1!")
def bounds(
    items: Any, numbers: Any, query: Any, step: Any, length: Any, more: Any, lower: Any, upper: Any
) -> None:
    """Raise the bounds (n,) of each row's largest product to those of its product with one more vector.

    items: (n, dim) in steps. numbers: (n, 2) the size of a step, and by how much the steps miss the vector. query:
    (dim,) in steps of `step`; small enough that sums hold. length: of the vector. more: what else may be missed.
    """
    n = len(items)
    totals = np.empty(n, np.int32)
    # A loop of nothing but small integers, so that a processor multiplies many at a time.
    for i in range(n):
        row, total = items[i], np.int32(0)
        for at in range(len(query)):
            total += np.int32(row[at]) * np.int32(query[at])
        totals[i] = total
    for i in range(n):
        product = np.float32(totals[i]) * (numbers[i, 0] * step)
        miss = length * numbers[i, 1] + more
        lower[i] = max(lower[i], product - miss)
        upper[i] = max(upper[i], product + miss)


@helper
def _keep(heap: Any, value: Any) -> None:
    """Put a value in the place of the smallest, which stands first."""
    k, at, child = len(heap), 0, 1
    while child < k:
        if child + 1 < k and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at], at, child = heap[child], child, 2 * child + 1
    heap[at] = value


@kernel("f4:C1 f4:C1 b1:C1 i8 i4:C1!")
def within(lower: Any, upper: Any, banned: Any, k: int, found: Any) -> int:
    """Write the rows that may be among the k best and are not banned, rising; returns how many."""
    heap, count = np.full(k, -np.inf, np.float32), 0
    for i in range(len(lower)):
        if lower[i] > heap[0] and not banned[i]:
            _keep(heap, lower[i])
    for i in range(len(upper)):
        if upper[i] >= heap[0] and not banned[i]:
            found[count] = i
            count += 1
    return count
