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


@kernel("i4:A1 f4:A1 f4:C2 i4:C1! f4:C2!")
def frequencies(rows: Any, weights: Any, decays: Any, items: Any, sums: Any) -> int:
    """Add the decays (H, h) of a user's uses up by item; returns how many items, and writes them as they come.

    sums: (H, h), zeros.
    """
    count, table = 0, _table(len(rows))
    places, mask = np.empty(len(table), np.int32), len(table) - 1
    for i in range(len(rows)):
        if rows[i] < 0 or not weights[i] > 0:
            continue
        slot = (rows[i] * 40503) & mask
        while table[slot] >= 0 and table[slot] != rows[i]:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot], places[slot], items[count] = rows[i], count, rows[i]
            count += 1
        for at in range(decays.shape[1]):
            sums[places[slot], at] += decays[i, at]
    return count
