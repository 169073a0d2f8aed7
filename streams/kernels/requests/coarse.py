"""Products with vectors of one byte per number, and which rows they leave among the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# Rows that are looked at together.
BLOCK = 32
NONE = np.int32(-(2**31))
TINY = float(np.finfo(np.float32).tiny)


@helper
def _products(vectors: Any, query: Any, totals: Any) -> None:
    """Write the products of steps. A loop of nothing but small integers, so that a processor multiplies many at a
    time."""
    for at in range(len(totals)):
        vector, total = vectors[at], np.int32(0)
        for d in range(len(query)):
            total += np.int32(vector[d]) * np.int32(query[d])
        totals[at] = total


@kernel("f4:C2 f8 f8 i2:C2! f4:C2!")
def in_steps(vectors: Any, most: float, longest: float, steps: Any, scales: Any) -> None:
    """Write vectors (m, dim) that are asked about as whole steps, at most so many, and (m, 3): the size of a step, the
    vector's length or little more, and what else products may miss; see `recommend.nearest.steps`.

    longest: length of the longest item.
    """
    dim, up = vectors.shape[1], np.float32(1 + 2**-20)
    for m in range(len(vectors)):
        vector, square, largest = vectors[m], 0.0, 0.0
        for d in range(dim):
            square += np.float64(vector[d]) * np.float64(vector[d])
            largest = max(largest, abs(np.float64(vector[d])))
        step = np.float32(max(largest / most, 1e-38))
        missed, size = 0.0, np.float64(step)
        for d in range(dim):
            whole = np.rint(np.float64(vector[d]) / size)
            steps[m, d] = np.int16(whole)
            missed += (vector[d] - whole * size) ** 2
        length = np.sqrt(square)
        # As `recommend.exact.product_margins`.
        margin = (4 * dim + 16) * 2.0**-24 * length * longest + 16 * dim * TINY
        scales[m, 0], scales[m, 1] = step, np.float32(length) * up
        # Twice the length of an item, which its steps never reach.
        scales[m, 2] = np.float32(np.sqrt(missed) * 2 * longest + margin) * up


@kernel("i1:C2 f4:C2 i2:C2 f4:C2 f4:C1! f4:C1! f4:C1!")
def bounds(items: Any, numbers: Any, queries: Any, scales: Any, lower: Any, upper: Any, highest: Any) -> None:
    """Write the bounds (n,) of each row's largest product with one of m vectors, and the highest upper one of each
    BLOCK rows.

    items: (n, dim) in steps. numbers: (n, 2) the size of a step, and by how much the steps miss the vector. queries,
    scales: (m, dim) and (m, 3), see `in_steps`; steps small enough that sums hold.
    """
    n, totals = len(items), np.empty(BLOCK, np.int32)
    for block in range(len(highest)):
        begin, end = block * BLOCK, min(n, (block + 1) * BLOCK)
        lower[begin:end] = upper[begin:end] = -np.inf
        for m in range(len(queries)):
            _products(items[begin:end], queries[m], totals[: end - begin])
            for i in range(begin, end):
                product = np.float32(totals[i - begin]) * (numbers[i, 0] * scales[m, 0])
                miss = scales[m, 1] * numbers[i, 1] + scales[m, 2]
                lower[i] = max(lower[i], product - miss)
                upper[i] = max(upper[i], product + miss)
        high = np.float32(-np.inf)
        for i in range(begin, end):
            high = max(high, upper[i])
        highest[block] = high


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


@helper
def _order(values: Any, banned: Any, uses: Any, below: int, order: Any) -> None:
    """Write small integers in the order of the values (n,), NONE for what must not be found: a processor compares many
    of them at a time."""
    words = values.view(np.int32)
    for i in range(len(words)):
        word = words[i] ^ ((words[i] >> 31) & np.int32(0x7FFFFFFF))
        order[i] = NONE if banned[i] else word
    if len(uses) > 0:
        for i in range(len(words)):
            order[i] = NONE if uses[i] >= below else order[i]


@helper
def _highest(order: Any, highest: Any) -> None:
    """Write the highest of each BLOCK of them."""
    whole = len(order) // BLOCK
    for block in range(whole):
        one, high = order[block * BLOCK : (block + 1) * BLOCK], NONE
        for i in range(BLOCK):
            high = one[i] if one[i] > high else high
        highest[block] = high
    if whole < len(highest):
        highest[whole] = NONE
        for i in range(whole * BLOCK, len(order)):
            highest[whole] = max(highest[whole], order[i])


@helper
def _limit(highest: Any, k: int) -> Any:
    """What k rows reach: the k-th of the highest bounds of the blocks; -inf where there are fewer."""
    heap, one = np.full(k, NONE, np.int32), np.empty(1, np.int32)
    for block in range(len(highest)):
        if highest[block] > heap[0]:
            _keep(heap, highest[block])
    one[0] = heap[0] ^ ((heap[0] >> 31) & np.int32(0x7FFFFFFF))
    return np.float32(-np.inf) if heap[0] == NONE else one.view(np.float32)[0]


@kernel("f4:C1 f4:C1 f4:C1 b1:C1 i8:C1 i8 i8 i4:C1!")
def within(
    lower: Any, upper: Any, highest: Any, banned: Any, uses: Any, below: int, k: int, found: Any
) -> int:
    """Write the rows that may be among the k best and are not banned, rising; returns how many.

    lower, upper, highest: see `bounds`. uses: (n,) of each row, which must be below `below`; of no length where they do
    not matter.
    """
    n, count, kept = len(lower), 0, 0
    order, tops = np.empty(n, np.int32), np.empty(len(highest), np.int32)
    _order(lower, banned, uses, below, order)
    _highest(order, tops)
    limit, heap = _limit(tops, k), np.full(k, -np.inf, np.float32)
    for block in range(len(highest)):
        if highest[block] < limit or tops[block] == NONE:
            continue
        for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
            if upper[i] >= limit and order[i] != NONE:
                found[count] = i
                count += 1
                if lower[i] > heap[0]:
                    _keep(heap, lower[i])
    for at in range(count):
        if upper[found[at]] >= heap[0]:
            found[kept] = found[at]
            kept += 1
    return kept
