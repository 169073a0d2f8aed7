"""Rows in cells, each a chain of blocks of WIDTH places, and the nearest rows of some cells.

All places of a chain are taken but those of its first block, which fills from the front: a new row comes behind the
last one, and the last one takes the place of a row that goes. So nothing is left behind by what went.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# Rows of a block.
WIDTH = 64


@kernel("i4:C1 i4:C1 i1:C2 f4:C2 i1:C3! f4:C3! i4:C2! i4:C1! i4:C1! i4:C1! i4:C1! i8:C1!")
def insert(
    rows: Any,
    cells: Any,
    vectors: Any,
    numbers: Any,
    blocks: Any,
    block_numbers: Any,
    block_rows: Any,
    after: Any,
    first: Any,
    counts: Any,
    places: Any,
    used: Any,
) -> None:
    """Put rows (m,), none of which is there, into their cells (m,), with what is known of them.

    vectors: (m, dim) and numbers: (m, 2), as in blocks: (B, WIDTH, dim), block_numbers: (B, WIDTH, 2). block_rows:
    (B, WIDTH). after: (B,) the next block of a chain, -1 for none. first, counts: of each cell, its first block and
    its rows. places: of each row, its block times WIDTH plus its place there; -1 for none. used: (2,) blocks that were
    ever used, and one more than the first of those that are free again.
    """
    for i in range(len(rows)):
        cell = cells[i]
        at = counts[cell] % WIDTH
        if at == 0:
            block = np.int32(used[1] - 1)
            if block >= 0:
                used[1] = after[block] + 1
            else:
                block = np.int32(used[0])
                used[0] += 1
            after[block] = first[cell]
            first[cell] = block
        block = first[cell]
        blocks[block, at] = vectors[i]
        block_numbers[block, at] = numbers[i]
        block_rows[block, at] = rows[i]
        places[rows[i]] = block * WIDTH + at
        counts[cell] += 1


@kernel("i4:C1 i4:C1 i1:C3! f4:C3! i4:C2! i4:C1! i4:C1! i4:C1! i4:C1! i8:C1!")
def remove(
    rows: Any,
    cells: Any,
    blocks: Any,
    block_numbers: Any,
    block_rows: Any,
    after: Any,
    first: Any,
    counts: Any,
    places: Any,
    used: Any,
) -> None:
    """Take rows (m,) out of the cells (m,) in which they are; see `insert`."""
    for i in range(len(rows)):
        cell, place = cells[i], places[rows[i]]
        head = first[cell]
        counts[cell] -= 1
        last = counts[cell] % WIDTH
        block, at = place // WIDTH, place % WIDTH
        moved = block_rows[head, last]
        blocks[block, at] = blocks[head, last]
        block_numbers[block, at] = block_numbers[head, last]
        block_rows[block, at] = moved
        places[moved] = place
        places[rows[i]] = -1
        if last == 0:
            first[cell] = after[head]
            after[head] = np.int32(used[1] - 1)
            used[1] = head + 1


@helper
def _sift(heap: Any, value: Any) -> None:
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
def _products(vectors: Any, query: Any, totals: Any) -> None:
    """Write the products of steps. A loop of nothing but small integers, so that a processor multiplies many at a
    time."""
    for at in range(len(totals)):
        vector, total = vectors[at], np.int32(0)
        for d in range(len(query)):
            total += np.int32(vector[d]) * np.int32(query[d])
        totals[at] = total


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
            _sift(heap, product - miss)
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
    until k rows are nearer than that, or `most` rows were looked at. query, step, length, more: as in
    `coarse.bounds`. banned: (n,). uses: (n,) of each row, which must be below `below`; of no length where they do not
    matter. found, upper: room for all rows and their upper bounds. looked: (1,) takes how many were looked at.
    """
    heap, totals = np.full(k, -np.inf, np.float32), np.empty(WIDTH, np.int32)
    seen, number = 0, 0
    for cell in order:
        if seen >= most or likely[cell] < heap[0]:
            break
        block, filled = first[cell], (counts[cell] - 1) % WIDTH + 1
        while block >= 0:
            own = totals[:filled]
            _products(blocks[block], query, own)
            scale, allowed = (step, length, more), (banned, uses, below)
            number = _take(
                *(block_rows[block], block_numbers[block], own, scale, allowed, heap, found, upper, number)
            )
            seen += filled
            block, filled = after[block], WIDTH
    looked[0], kept = seen, 0
    for i in range(number):
        if upper[i] >= heap[0]:
            found[kept] = found[i]
            kept += 1
    return kept
