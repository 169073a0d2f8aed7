"""Signals by partition of items, as the columns of their records."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


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

    Returns where the partitions' signals begin (count + 1,), and how many items, events and uses each has, (count,)
    each. Then, from where a partition begins on: the first signal of each item and of each event, and the key of each
    use's session; and of each signal the other item, the weight, and the places of its item and event.
    """
    begins = _begins(rows, where, count)
    size, ends, local = begins[count], begins.copy(), np.full(len(where), -1, np.int32)
    other, said = np.empty(size, np.uint64), np.empty(size, np.float32)
    item, event = np.empty(size, np.uint32), np.empty(size, np.uint32)
    heads, first, keys = np.empty(size, np.int64), np.empty(size, np.int64), np.zeros(size, np.uint64)
    items, events, last = np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1, np.int64)
    uses = np.zeros(count, np.int64)
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
        if others[i] == 0:
            keys[begin + uses[part]] = sessions[i]
            uses[part] += 1
        other[at], said[at], item[at], event[at] = others[i], weights[i], local[row], events[part] - 1
        ends[part] += 1
    return begins, items, events, uses, heads, first, keys, other, said, item, event


@kernel("u8:C1 u8:C1! u4:C1! u8:C1! u4:C1!")
def number(values: Any, slots: Any, numbers: Any, found: Any, of: Any) -> int:
    """Number values (n,) from 1 on as they first appear, 0 staying 0; returns how many there are.

    slots, numbers: an empty table of a power of two of places, twice as many as values at least. found: (n,) takes the
    values in order. of: (n,) takes the number of each.
    """
    mask, known, last, own = np.uint64(len(slots) - 1), 0, np.uint64(0), np.uint32(0)
    for i in range(len(values)):
        value = values[i]
        if value != last:
            last, own = value, np.uint32(0)
            slot = ((value * _GOLDEN) >> np.uint64(20)) & mask
            while value != 0 and slots[slot] != 0 and slots[slot] != value:
                slot = (slot + np.uint64(1)) & mask
            if value != 0 and slots[slot] == 0:
                found[known] = slots[slot] = value
                known += 1
                numbers[slot] = known
            if value != 0:
                own = numbers[slot]
        of[i] = own
    return known
