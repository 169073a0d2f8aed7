"""The search in cells of `items.cells`: which rows of the likeliest cells are among the largest.

A kernel that was kept does not see a change of `coarse`: where its helpers change, change this file, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.requests.coarse import _keep, _products


@helper
def _uppers(numbers: Any, totals: Any, scale: Any, uppers: Any) -> Any:
    """Write the upper bounds of products by their steps' (w,); returns the highest."""
    high = np.float32(-np.inf)
    for at in range(len(totals)):
        uppers[at] = np.float32(totals[at]) * (numbers[at, 0] * scale[0]) + (
            scale[1] * numbers[at, 1] + scale[2]
        )
    for at in range(len(totals)):
        high = max(high, uppers[at])
    return high


@helper
def _take(
    rows: Any,
    numbers: Any,
    uppers: Any,
    scale: Any,
    allowed: Any,
    heap: Any,
    found: Any,
    upper: Any,
    number: int,
) -> int:
    """Write rows that may be among the nearest behind `number` others; returns how many there are then."""
    banned, uses, below = allowed
    for at in range(len(uppers)):
        row = rows[at]
        if uppers[at] < heap[0] or banned[row] or (len(uses) > 0 and uses[row] >= below):
            continue
        lower = uppers[at] - 2 * (scale[1] * numbers[at, 1] + scale[2])
        if lower > heap[0]:
            _keep(heap, lower)
        found[number], upper[number] = row, uppers[at]
        number += 1
    return number


@helper
def _sink(cells: Any, at: int, size: int, likely: Any) -> None:
    """Move a cell down a heap on whose top is the likeliest; of equal ones, the first."""
    moved, child = cells[at], 2 * at + 1
    while child < size:
        if child + 1 < size and _likelier(cells[child + 1], cells[child], likely):
            child += 1
        if _likelier(moved, cells[child], likely):
            break
        cells[at], at, child = cells[child], child, 2 * child + 1
    cells[at] = moved


@helper
def _likelier(one: int, other: int, likely: Any) -> bool:
    return bool(likely[one] > likely[other] or (likely[one] == likely[other] and one < other))


@helper
def _heap(likely: Any) -> Any:
    """All cells, the likeliest first; see `_sink`."""
    cells = np.arange(len(likely))
    for at in range(len(cells) // 2 - 1, -1, -1):
        _sink(cells, at, len(cells), likely)
    return cells


@helper
def _nearest(upper: Any, number: int, least: Any, found: Any) -> int:
    """Keep those found whose upper bound reaches what is sought; returns how many."""
    kept = 0
    for i in range(number):
        if upper[i] >= least:
            found[kept] = found[i]
            kept += 1
    return kept


@kernel("f4:C1 i8 i8 i2:C1 f4:C1 b1:C1 i8:C1 i8 i1:C3 f4:C3 i4:C2 i4:C1 i4:C1 i4:C1 i4:C1! f4:C1! i8:C1!")
def scan(
    likely: Any,
    most: int,
    k: int,
    query: Any,
    scale: Any,
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
    """Write the rows that may be among the k nearest of the likeliest cells; returns how many.

    likely: (c,) by cell, above which products in it are unlikely: the cells are looked into, the likeliest first, until
    k rows are nearer than that, or `most` rows were looked at. query, scale: as one of `bounds`. banned: (n,).
    uses: (n,) of each row, which must be below `below`; of no length where they do not matter. blocks, block_numbers,
    block_rows, after, first, counts: as in `cells.insert`. found, upper: room for all rows and their upper bounds.
    looked: (1,) takes how many were looked at.
    """
    width, left = block_rows.shape[1], len(likely)
    heap, totals, uppers = (
        np.full(k, -np.inf, np.float32),
        np.empty(width, np.int32),
        np.empty(width, np.float32),
    )
    seen, number, cells = 0, 0, _heap(likely)
    while left > 0 and seen < most and likely[cells[0]] >= heap[0]:
        cell, left = cells[0], left - 1
        cells[0] = cells[left]
        _sink(cells, 0, left, likely)
        block, filled = first[cell], (counts[cell] - 1) % width + 1
        while block >= 0:
            _products(blocks[block], query, totals[:filled])
            if _uppers(block_numbers[block], totals[:filled], scale, uppers[:filled]) >= heap[0]:
                known, allowed = (
                    (block_rows[block], block_numbers[block], uppers[:filled]),
                    (banned, uses, below),
                )
                number = _take(*known, scale, allowed, heap, found, upper, number)
            seen += filled
            block, filled = after[block], width
    looked[0] = seen
    return _nearest(upper, number, heap[0], found)
