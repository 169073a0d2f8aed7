"""What users used and when, for candidate sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@helper
def _newest(ordinals: Any) -> int:
    """The column of the largest ordinal (H,), of equal ones the last."""
    newest = 0
    for i in range(len(ordinals)):
        if ordinals[i] >= ordinals[newest]:
            newest = i
    return newest


@helper
def _is_new(table: Any, value: int) -> bool:
    """Enter a value from 0 on into a table of a power of two of places, of which free ones hold -1; false if known."""
    mask = len(table) - 1
    place = (value * 40503) & mask
    while table[place] >= 0:
        if table[place] == value:
            return False
        place = (place + 1) & mask
    table[place] = value
    return True


@helper
def _table(values: int) -> Any:
    """An empty one for so many values, at least twice as large."""
    size = 4
    while size < 2 * values:
        size *= 2
    return np.full(size, -1, np.int32)


@helper
def _in_order(rows: Any, weights: Any, ordinals: Any, order: Any) -> int:
    """Write the columns of items of a weight above 0, the newest first; returns how many. All (H,), H at least 1.

    A ring is read backward from its newest column, so that nothing needs to be moved.
    """
    count, start, length = 0, _newest(ordinals), len(rows)
    for back in range(length):
        i = (start - back) % length
        if rows[i] < 0 or not weights[i] > 0:
            continue
        place = count
        while place > 0:
            other = order[place - 1]
            if ordinals[other] > ordinals[i] or (ordinals[other] == ordinals[i] and other > i):
                break
            order[place] = other
            place -= 1
        order[place] = i
        count += 1
    return count


@kernel("i4:A2 f4:A2 i8:A2 i4:C2!")
def newest_first(rows: Any, weights: Any, ordinals: Any, found: Any) -> None:
    """Write each user's items of a weight above 0, newest first, each once, at most as many as found is wide; then -1.

    rows, weights, ordinals: (U, H).
    """
    order = np.empty(rows.shape[1], np.int64)
    for user in range(len(rows)):
        number, count = 0, 0
        if len(order):
            count = _in_order(rows[user], weights[user], ordinals[user], order)
        table = _table(count)
        for at in range(count):
            row = rows[user, order[at]]
            if number < found.shape[1] and _is_new(table, row):
                found[user, number] = row
                number += 1
        found[user, number:] = -1


@helper
def _class(value: Any, limits: Any) -> int:
    """How many of these limits a value reaches, which rise."""
    number = 0
    while number < len(limits) and value >= limits[number]:
        number += 1
    return number


@kernel("i4:A2 i8:A2 i8:A1 i8:A2 i8:C1 i8:C1 i8:C1!")
def segments(rows: Any, times: Any, moments: Any, ordinals: Any, gaps: Any, lengths: Any, found: Any) -> None:
    """Write the segment (U,) of each query; see `recommend.learned.segments`.

    rows, times, ordinals: (U, H). moments: (U,). Of no length where they are not known.
    """
    for user in range(len(rows)):
        count, events, newest = 0, 0, np.iinfo(np.int64).min
        for i in range(rows.shape[1]):
            if rows[user, i] >= 0:
                count += 1
                if len(times) > 0:
                    newest = max(newest, times[user, i])
            if len(ordinals) > 0:
                events = max(events, ordinals[user, i] + 1)
        gap = gaps[-1] if count == 0 else np.int64(0)
        if len(moments) == 0 or rows.shape[1] == 0:
            gap = np.int64(0)
        elif count > 0:
            gap = moments[user] - newest
        found[user] = _class(gap, gaps) * (len(lengths) + 1) + _class(max(count, events), lengths)
