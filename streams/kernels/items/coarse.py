"""Products with vectors of one byte per number, and which rows they leave among the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@helper
def _products(vectors: Any, query: Any, totals: Any) -> None:
    """Write the products of steps. A loop of nothing but small integers, so that a processor multiplies many at a
    time."""
    for at in range(len(totals)):
        vector, total = vectors[at], np.int32(0)
        for d in range(len(query)):
            total += np.int32(vector[d]) * np.int32(query[d])
        totals[at] = total


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
    _products(items, query, totals)
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


@helper
def _take(
    rows: Any,
    numbers: Any,
    totals: Any,
    scale: Any,
    allowed: Any,
    heap: Any,
    found: Any,
    upper: Any,
    number: int,
) -> int:
    """Write rows that may be among the nearest behind `number` others; returns how many there are then."""
    step, length, more = scale
    banned, uses, below = allowed
    for at in range(len(totals)):
        row = rows[at]
        product, miss = np.float32(totals[at]) * (numbers[at, 0] * step), length * numbers[at, 1] + more
        if product + miss < heap[0] or banned[row] or (len(uses) > 0 and uses[row] >= below):
            continue
        if product - miss > heap[0]:
            _keep(heap, product - miss)
        found[number], upper[number] = row, product + miss
        number += 1
    return number


@kernel(
    "i8:C1 f4:C1 i8 i8 i2:C1 f4 f4 f4 b1:C1 i8:C1 i8 i1:C3 f4:C3 i4:C2 i4:C1 i4:C1 i4:C1 i4:C1! f4:C1! i8:C1!"
)
def scan(
    order: Any,
    likely: Any,
    most: int,
    k: int,
    query: Any,
    step: Any,
    length: Any,
    more: Any,
    banned: Any,
    uses: Any,
    below: int,
    blocks: Any,
    block_numbers: Any,
    block_rows: Any,
    after: Any,
    first: Any,
    counts: Any,
    found: Any,
    upper: Any,
    looked: Any,
) -> int:
    """Write the rows that may be among the k nearest of the first cells of `order`; returns how many.

    likely: (c,) by cell, above which products in it are unlikely, falling in this order: the cells are looked into
    until k rows are nearer than that, or `most` rows were looked at. query, step, length, more: as in `bounds`.
    banned: (n,). uses: (n,) of each row, which must be below `below`; of no length where they do not matter. blocks,
    block_numbers, block_rows, after, first, counts: as in `cells.insert`. found, upper: room for all rows and their
    upper bounds. looked: (1,) takes how many were looked at.
    """
    width = block_rows.shape[1]
    heap, totals = np.full(k, -np.inf, np.float32), np.empty(width, np.int32)
    seen, number = 0, 0
    for cell in order:
        if seen >= most or likely[cell] < heap[0]:
            break
        block, filled = first[cell], (counts[cell] - 1) % width + 1
        while block >= 0:
            own = totals[:filled]
            _products(blocks[block], query, own)
            scale, allowed = (step, length, more), (banned, uses, below)
            number = _take(
                *(block_rows[block], block_numbers[block], own, scale, allowed, heap, found, upper, number)
            )
            seen += filled
            block, filled = after[block], width
    looked[0], kept = seen, 0
    for i in range(number):
        if upper[i] >= heap[0]:
            found[kept] = found[i]
            kept += 1
    return kept
