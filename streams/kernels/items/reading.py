"""What candidate sources ask of the items' table for one user."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@helper
def _before(values: Any, rows: Any, one: int, other: int) -> bool:
    """True where the one place ranks before the other: the larger value; of equal ones, the smaller row."""
    if values[one] == values[other]:
        return bool(rows[one] < rows[other])
    return bool(values[one] > values[other])


@helper
def _sink(heap: Any, at: int, size: int, values: Any, rows: Any) -> None:
    """Move a place down a heap on whose top is the one that ranks last."""
    moved, child = heap[at], 2 * at + 1
    while child < size:
        if child + 1 < size and _before(values, rows, heap[child], heap[child + 1]):
            child += 1
        if _before(values, rows, heap[child], moved):
            break
        heap[at], at, child = heap[child], child, 2 * child + 1
    heap[at] = moved


@kernel("f4:C1 i4:C1 i8")
def top(values: Any, rows: Any, k: int) -> Any:
    """Places of the k largest values (n,), the largest first; of equal ones, the smaller row first."""
    size = min(k, len(values))
    heap = np.arange(size)
    for at in range(size // 2 - 1, -1, -1):
        _sink(heap, at, size, values, rows)
    for i in range(size, len(values) if size > 0 else 0):
        if _before(values, rows, i, heap[0]):
            heap[0] = i
            _sink(heap, 0, size, values, rows)
    for last in range(size - 1, 0, -1):
        heap[0], heap[last] = heap[last], heap[0]
        _sink(heap, 0, last, values, rows)
    return heap


@kernel("i4:C1 f4:C2!")
def clear(touched: Any, sums: Any) -> None:
    """Make the sums (n, w) of the touched rows zeros again."""
    for row in touched:
        sums[row] = 0


@kernel("i4:C1 f4:C2 f4:C2 i4:C3 f4:C3 f4 f4:C2! i4:C1!")
def gather(
    items: Any, scales: Any, steps: Any, neighbours: Any, weights: Any, least: Any, sums: Any, touched: Any
) -> int:
    """Add the weights of the neighbours of h items up; returns how many rows were touched, and writes them.

    scales: (h, 2) what an item's weights in each list are multiplied by. steps: (h, w) what the item counts in each
    sum: in the first ones perhaps nothing, in the last one something. neighbours, weights: (n, 2, m); those below
    `least` are passed over. sums: (n, 2 * w), zeros before; a row's sums of one list, then of the other.
    """
    count, width = 0, steps.shape[1]
    for k in range(len(items)):
        first = 0
        while steps[k, first] == 0:
            first += 1
        for which in range(2):
            scale, begin = scales[k, which], which * width
            for i in range(neighbours.shape[2]):
                row, said = neighbours[items[k], which, i], weights[items[k], which, i] * scale
                if row < 0 or said < least:
                    continue
                if sums[row, width - 1] == 0 and sums[row, 2 * width - 1] == 0:
                    touched[count] = row
                    count += 1
                for at in range(first, width):
                    sums[row, begin + at] += said * steps[k, at]
    return count


@helper
def _share(uses: Any) -> Any:
    """(uses + 5)^-0.25"""
    return np.float32(1) / np.sqrt(np.sqrt(np.float32(uses) + np.float32(5)))


@kernel("i4:C1 f4:C2 i8:C1 b1:C1 f4:C1!")
def weigh(touched: Any, sums: Any, uses: Any, banned: Any, values: Any) -> None:
    """Write the largest of each touched row's scores (c,), each in parts of the largest of its kind; 0 where the row
    is banned. sums: (n, w), which a row's share is multiplied by. uses: (n,)."""
    largest, shares = np.zeros(sums.shape[1], np.float32), np.empty(len(touched), np.float32)
    for i in range(len(touched)):
        shares[i] = _share(uses[touched[i]])
        if not banned[touched[i]]:
            for at in range(len(largest)):
                largest[at] = max(largest[at], sums[touched[i], at] * shares[i])
    for i in range(len(touched)):
        values[i] = 0
        if not banned[touched[i]]:
            for at in range(len(largest)):
                if largest[at] > 0:
                    values[i] = max(values[i], sums[touched[i], at] * shares[i] / largest[at])


@kernel("i4:C1 f4:C2 i8:C1 f4:A2!")
def tell(rows: Any, sums: Any, uses: Any, said: Any) -> None:
    """Write the scores (w, c) of rows (c,), as `weigh` sees them; NaN where a row has none."""
    for i in range(len(rows)):
        share, some = _share(uses[rows[i]]), False
        for at in range(sums.shape[1]):
            said[at, i] = sums[rows[i], at] * share
            some = some or said[at, i] != 0
        if not some:
            said[:, i] = np.nan


@kernel("i4:C1 f4:C1 u8:C2 u8:C1! f4:C1! u8:C1! i4:C1!")
def similar(items: Any, steps: Any, rings: Any, keys: Any, sums: Any, found: Any, slots: Any) -> int:
    """Add up by session what each of h items counts that the session had; returns how many sessions there are.

    steps: (h,). rings: (n, s). keys, sums: a table of a power of two of slots, all 0. found, slots: (h * s,) take the
    sessions' keys and places in the table, in the order in which they are met.
    """
    mask, count = np.uint64(len(keys) - 1), 0
    for k in range(len(items)):
        for i in range(rings.shape[1]):
            key = rings[items[k], i]
            if key == 0:
                continue
            slot = key & mask
            while keys[slot] != 0 and keys[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            if keys[slot] == 0:
                keys[slot], sums[slot] = key, 0
                found[count], slots[count] = key, np.int32(slot)
                count += 1
            sums[slot] += steps[k]
    return count


@kernel("i4:C1 i8:C1 f4:C1 f4:A1! i4:C1!")
def spread(rows: Any, ends: Any, said: Any, sums: Any, touched: Any) -> int:
    """Add each session's weight (n,) to its items; returns how many rows were touched, and writes them.

    rows: the sessions' items, one session after the other. ends: (n,) where each ends. sums: of each row, 0 before.
    """
    count, begin = 0, 0
    for i in range(len(ends)):
        for at in range(begin, ends[i]):
            if sums[rows[at]] == 0:
                touched[count] = rows[at]
                count += 1
            sums[rows[at]] += said[i]
        begin = ends[i]
    return count
