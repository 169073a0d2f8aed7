"""What is found of the rows that a batch touches, by hashing: rounds of signals, places of users, repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

EMPTY = -1
# What becomes of an event.
NEW, READ, TAKEN, REPEAT, DUPLICATE = range(5)


@helper
def _table_for(count: int) -> Any:
    """An empty hash table for so many rows: slots of (row, number), a power of two and at most half full."""
    size = 4
    while size < 2 * count:
        size *= 2
    table = np.empty((size, 2), np.int64)
    table[:, 0] = EMPTY
    return table


@helper
def _number_of(table: Any, row: int, new: int) -> int:
    """The number of a row in the table; `new` where it was not there, which it is from then on."""
    mask = np.uint64(len(table) - 1)
    # Fibonacci hashing: rows come in runs, which so scatter.
    mixed = np.uint64(row) * np.uint64(0x9E3779B97F4A7C15)
    slot = (mixed >> np.uint64(32)) & mask
    while table[slot, 0] != EMPTY:
        if table[slot, 0] == row:
            return int(table[slot, 1])
        slot = (slot + np.uint64(1)) & mask
    table[slot, 0] = row
    table[slot, 1] = new
    return new


@helper
def _numbered(rows: Any) -> Any:
    """The distinct rows by first appearance, how often each, and of each entry its row's number and occurrence."""
    n = len(rows)
    table = _table_for(n)
    distinct, counts = np.empty(n, np.int64), np.zeros(n, np.int64)
    numbers, occurrence = np.empty(n, np.int64), np.empty(n, np.int64)
    known = 0
    for i in range(n):
        number = _number_of(table, rows[i], known)
        if number == known:
            distinct[known] = rows[i]
            known += 1
        numbers[i], occurrence[i] = number, counts[number]
        counts[number] += 1
    return distinct[:known], counts[:known], numbers, occurrence


@kernel("i8:C1")
def rounds(rows: Any) -> Any:
    """The fields of `interest.base.Schedule` for rows (n,)."""
    n = len(rows)
    distinct, counts, numbers, occurrence = _numbered(rows)
    most = 0
    for number in range(len(distinct)):
        most = max(most, counts[number])
    # in_round[k]: users with a k-th signal. Users by falling count: a stable counting sort.
    in_round = np.zeros(most + 1, np.int64)
    for number in range(len(distinct)):
        in_round[counts[number] - 1] += 1
    for k in range(most - 1, 0, -1):
        in_round[k - 1] += in_round[k]
    next_place = np.empty(most + 1, np.int64)
    next_place[:most] = in_round[1:]
    places = np.empty(len(distinct), np.int64)
    touched, counted = np.empty(len(distinct), np.int64), np.empty(len(distinct), np.int64)
    for number in range(len(distinct)):
        place = next_place[counts[number] - 1]
        next_place[counts[number] - 1] += 1
        places[number], touched[place], counted[place] = place, distinct[number], counts[number]
    starts = np.zeros(most + 1, np.int64)
    for k in range(most):
        starts[k + 1] = starts[k] + in_round[k]
    return touched, *_in_rounds(numbers, occurrence, places, starts, n), counted


@helper
def _in_rounds(numbers: Any, occurrence: Any, places: Any, starts: Any, n: int) -> Any:
    """Order, starts, users and occurrence: round k holds the k-th signals by their users' places, without a gap."""
    order, users, occurred = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        place = places[numbers[i]]
        slot = starts[occurrence[i]] + place
        order[slot], users[slot], occurred[slot] = i, place, occurrence[i]
    return order, starts, users, occurred


@kernel("i8:C1 i8:C1")
def places(first: Any, rows: Any) -> Any:
    """The distinct rows that are not among `first`, in the order of their first appearance; and (n,) the place of each
    row among `first` and those behind it."""
    table = _table_for(len(first) + len(rows))
    known = len(first)
    for place in range(known):
        _number_of(table, first[place], place)
    others, position = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for i in range(len(rows)):
        position[i] = _number_of(table, rows[i], known)
        if position[i] == known:
            others[known - len(first)] = rows[i]
            known += 1
    return others[: known - len(first)], position


@helper
def _holds(ring: Any, key: Any) -> bool:
    found = False
    for i in range(len(ring)):
        found |= ring[i] == key
    return found


@kernel("i8:C1 i8:C1 u8:C1 b1:C1 i8 i8:A1 i8:A1 u8:A2")
def sift(
    rows: Any,
    offsets: Any,
    keys: Any,
    repeated: Any,
    processed: int,
    applied_to: Any,
    accepted: Any,
    recent: Any,
) -> Any:
    """(n,) what becomes of each event; see `state.users.duplicates`.

    repeated: (n,) true for events whose origin was read before. processed: offset up to which the books go.
    applied_to, accepted, recent: of all states, offset, number of ids and ring of ids (rows, W).
    """
    n, window = len(rows), recent.shape[1]
    found = np.empty(n, np.int8)
    table, known = _table_for(n), 0
    rings, counts = np.empty((n, window), np.uint64), np.empty(n, np.int64)
    for i in range(n):
        row = rows[i]
        found[i] = READ
        if offsets[i] <= processed:
            continue
        found[i] = REPEAT if repeated[i] else TAKEN
        if repeated[i] or offsets[i] <= (applied_to[row] if accepted[row] > 0 else -1):
            continue
        own = _number_of(table, row, known)
        if own == known:
            rings[own], counts[own] = recent[row], accepted[row]
            known += 1
        found[i] = DUPLICATE
        if not _holds(rings[own], keys[i]):
            found[i] = NEW
            rings[own, counts[own] % window] = keys[i]
            counts[own] += 1
    return found
