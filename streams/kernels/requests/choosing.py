"""The best of what sources have found for one user.

Sums are kept of the touched rows alone, in the order in which they are met, so that they stay in a processor's cache.
`slots` (n,) says of each catalog row which sums are its own, counted from 1; 0 for none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# Classes of values from 0 on by their first bits, in order.
_SHIFT, _CLASSES = 20, 2048


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


@helper
def _last_of(values: Any, rows: Any, k: int, heap: Any) -> None:
    """Make a heap of the places of the k largest values (n,), k at most n; on top is the one that ranks last."""
    for at in range(k):
        heap[at] = at
    for at in range(k // 2 - 1, -1, -1):
        _sink(heap, at, k, values, rows)
    for i in range(k, len(values) if k > 0 else 0):
        if _before(values, rows, i, heap[0]):
            heap[0] = i
            _sink(heap, 0, k, values, rows)


@helper
def _top(values: Any, rows: Any, k: int) -> Any:
    """See `top`."""
    size = min(k, len(values))
    heap = np.empty(size, np.int64)
    _last_of(values, rows, size, heap)
    for last in range(size - 1, 0, -1):
        heap[0], heap[last] = heap[last], heap[0]
        _sink(heap, 0, last, values, rows)
    return heap


@kernel("f4:C1 i4:C1 i8")
def top(values: Any, rows: Any, k: int) -> Any:
    """Places of the k largest values (n,), the largest first; of equal ones, the smaller row first."""
    return _top(values, rows, k)


@kernel("i4:C1 i4:C1! f4:C2!")
def clear(touched: Any, slots: Any, sums: Any) -> None:
    """Make the sums (c, w) of the touched rows (c,) zeros again, and forget these rows."""
    for row in touched:
        slots[row] = 0
    sums[: len(touched)] = 0


@helper
def _limit(values: Any, rows: Any, k: int) -> Any:
    """Value and row of that which ranks k-th among values of at least 0, at least one; 0 and -1 where fewer are above
    0."""
    classes, counts = values.view(np.int32), np.zeros(_CLASSES, np.int32)
    for i in range(len(values)):
        counts[classes[i] >> _SHIFT] += 1
    above, own = 0, _CLASSES - 1
    while own > 0 and above + counts[own] < k:
        above += counts[own]
        own -= 1
    some, of, number = np.empty(counts[own], np.float32), np.empty(counts[own], np.int32), 0
    for i in range(len(values)):
        if classes[i] >> _SHIFT == own:
            some[number], of[number] = values[i], rows[i]
            number += 1
    if number < k - above or number == 0:
        return np.float32(0), np.int32(-1)
    heap = np.empty(k - above, np.int64)
    _last_of(some, of, k - above, heap)
    return some[heap[0]], of[heap[0]] if some[heap[0]] > 0 else np.int32(-1)


@helper
def _values(rows: Any, sums: Any, banned: Any, values: Any) -> None:
    """Write the largest of each row's sums, each in parts of the largest of its kind; 0 where the row is banned."""
    width = sums.shape[1]
    parts, zero = np.zeros(width, np.float32), np.float32(0)
    for i in range(len(rows)):
        values[i] = zero if banned[rows[i]] else np.float32(1)
        for at in range(width):
            parts[at] = max(parts[at], sums[i, at] * values[i])
    for at in range(width):
        parts[at] = np.float32(1) / parts[at] if parts[at] > 0 else zero
    for i in range(len(rows)):
        largest = zero
        for at in range(width):
            largest = max(largest, sums[i, at] * parts[at])
        values[i] *= largest


@kernel("i4:C1 f4:C2 b1:C1 i8 i4:C1!")
def pick(touched: Any, sums: Any, banned: Any, k: int, found: Any) -> int:
    """Write those of the touched rows (c,) that have the k largest values above 0, in their order; returns how many.

    A row's value is the largest of its sums (c, w), each in parts of the largest of its kind; a banned row has none.
    """
    count, values = 0, np.empty(len(touched), np.float32)
    _values(touched, sums, banned, values)
    least, row = _limit(values, touched, k)
    for i in range(len(touched)):
        if values[i] > least or (values[i] == least and touched[i] <= row):
            found[count] = touched[i]
            count += 1
    return count


@kernel("i4:C1 i4:C1 f4:C2 f4:A2!")
def tell(rows: Any, slots: Any, sums: Any, said: Any) -> None:
    """Write the sums (w, c) of rows (c,); NaN where a row has none."""
    for i in range(len(rows)):
        slot = slots[rows[i]]
        for at in range(sums.shape[1]):
            said[at, i] = sums[slot - 1, at] if slot > 0 else np.float32(np.nan)


@kernel("i4:C1!")
def distinct(rows: Any) -> int:
    """Keep of rows (n,), rising and with -1 for none, each once, the first ones now; returns how many."""
    count, last = 0, -1
    for i in range(len(rows)):
        row = rows[i]
        if row > last:
            rows[count], last = row, row
            count += 1
    return count
