"""Signals by partition of items, as the columns of their records."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@helper
def _begins(rows: Any, where: Any, count: int) -> Any:
    begins = np.zeros(count + 1, np.int64)
    for i in range(len(rows)):
        if rows[i] >= 0:
            begins[where[rows[i]] + 1] += 1
    return np.cumsum(begins)


@kernel("i4:C1 i4:C1 i8 u8:C1 f4:C1 u8:C1 i8:C1")
def spread(rows: Any, where: Any, count: int, others: Any, weights: Any, sessions: Any, offsets: Any) -> Any:
    """Columns (m,) of the records of all partitions, those of the first one first.

    rows: (n,) row of each signal's item, -1 for one that is left out. where: (R,) partition of each row, below
    `count`. others to offsets: (n,) of the signals.

    Returns where the partitions' signals begin (count + 1,), and how many items and events each has (count,) and
    (count,). Then, from where a partition begins on: the first signal of each item and of each event, and the key of
    each event's session; and of each signal the other item, the weight, and the places of its item and event.
    """
    begins = _begins(rows, where, count)
    size, ends, local = begins[count], begins.copy(), np.full(len(where), -1, np.int32)
    other, said = np.empty(size, np.uint64), np.empty(size, np.float32)
    item, event = np.empty(size, np.uint32), np.empty(size, np.uint32)
    heads, first, keys = np.empty(size, np.int64), np.empty(size, np.int64), np.zeros(size, np.uint64)
    items, events, last = np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1, np.int64)
    for i in range(len(rows)):
        row = rows[i]
        if row < 0:
            continue
        part = where[row]
        begin, at = begins[part], ends[part]
        if local[row] < 0:
            local[row], heads[begin + items[part]] = items[part], i
            items[part] += 1
        if offsets[i] != last[part]:
            last[part], first[begin + events[part]] = offsets[i], i
            events[part] += 1
        own = begin + events[part] - 1
        keys[own] = max(keys[own], sessions[i])
        other[at], said[at], item[at], event[at] = others[i], weights[i], local[row], events[part] - 1
        ends[part] += 1
    return begins, items, events, heads, first, keys, other, said, item, event
