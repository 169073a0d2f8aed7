"""Weights of pairs of items, without a bound on their number: one table per item, all in one pool of memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.history.evaluate.baselines.ranking import Scores, SomeRows
from streams.kernels.compiling import helper, kernel

# A table has room for LEAST << order items. Its keys and values lie without gaps, so that to go through them is quick;
# `index` has two slots for each, of which one says where a key lies. Tables start at multiples of LEAST, so a free
# one's place divided by it fits into a key.
LEAST = 4
NOBODY = -1
# A pool begins with so many places, and doubles.
FIRST_PLACES = 1 << 12


@helper
def _slot(index: Any, keys: Any, start: Any, room: Any, key: Any) -> Any:
    """The slot of a key in the table at `start`, or the empty slot that it may take."""
    mask = 2 * room - 1
    at = ((key * 2654435761) >> 7) & mask
    while index[2 * start + at] >= 0 and keys[start + index[2 * start + at]] != key:
        at = (at + 1) & mask
    return 2 * start + at


@helper
def _room(index: Any, keys: Any, free: Any, order: Any) -> Any:
    """The start of an empty table of this order, -1 where the pool has no room. free: (64,) heads of the chains of
    freed tables by order, and last the first place that was never used."""
    room, start = LEAST << order, free[order]
    if start >= 0:
        free[order] = -1 if keys[start] < 0 else np.int64(keys[start]) * LEAST
    else:
        start = free[63]
        if start + room > len(keys):
            return -1
        free[63] = start + room
    index[2 * start : 2 * (start + room)] = -1
    return start


@helper
def _grow(
    starts: Any, orders: Any, used: Any, index: Any, keys: Any, values: Any, free: Any, item: Any
) -> Any:
    """Give an item a table twice as large; false where the pool has no room."""
    order = orders[item] + 1
    start = _room(index, keys, free, order)
    if start < 0:
        return False
    if order > 0:
        old = starts[item]
        for place in range(used[item]):
            keys[start + place], values[start + place] = keys[old + place], values[old + place]
            index[_slot(index, keys, start, LEAST << order, keys[old + place])] = place
        head = free[order - 1]
        keys[old] = -1 if head < 0 else head // LEAST
        free[order - 1] = old
    starts[item], orders[item] = start, order
    return True


@kernel("i8:C1! i4:C1! i4:C1! i4:C1! i4:C1! f4:C1! i8:C1! i4:C1 i4:C1 f4:C1 i8")
def _add(
    starts: Any,
    orders: Any,
    used: Any,
    index: Any,
    keys: Any,
    values: Any,
    free: Any,
    firsts: Any,
    seconds: Any,
    amounts: Any,
    begin: int,
) -> int:
    """Add amounts from `begin` on; return where the pool ran out of room, or the number of amounts."""
    for n in range(begin, len(firsts)):
        item = firsts[n]
        full = orders[item] < 0 or used[item] == LEAST << orders[item]
        if full and not _grow(starts, orders, used, index, keys, values, free, item):
            return n
        start = starts[item]
        slot = _slot(index, keys, start, LEAST << orders[item], seconds[n])
        if index[slot] < 0:
            index[slot] = used[item]
            keys[start + used[item]], values[start + used[item]] = seconds[n], 0.0
            used[item] += 1
        values[start + index[slot]] += amounts[n]
    return len(firsts)


@kernel("i8:C1 i4:C1 i4:C1 f4:C1 i4:C1 f8:C1 f8:C1!")
def _spread(
    starts: Any, used: Any, keys: Any, values: Any, rows: Any, coefficients: Any, scores: Any
) -> None:
    """scores[j] += coefficient * weight(i, j) for each i of `rows` and each j of its table."""
    for n in range(len(rows)):
        start, coefficient = starts[rows[n]], coefficients[n]
        for at in range(start, start + used[rows[n]]):
            scores[keys[at]] += coefficient * values[at]


class Pairs:
    """Directed weights from item to item."""

    def __init__(self, items: int) -> None:
        self._starts = np.zeros(items, dtype=np.int64)
        self._orders = np.full(items, NOBODY, dtype=np.int32)
        self._used = np.zeros(items, dtype=np.int32)
        self._index = np.zeros(2 * FIRST_PLACES, dtype=np.int32)
        self._keys = np.zeros(FIRST_PLACES, dtype=np.int32)
        self._values = np.zeros(FIRST_PLACES, dtype=np.float32)
        self._free = np.full(64, NOBODY, dtype=np.int64)
        self._free[63] = 0

    def add(self, firsts: SomeRows, seconds: SomeRows, amounts: Any) -> None:
        """Add amounts (n,) to the weights of the pairs first -> second. firsts, seconds: (n,) rows."""
        pairs = firsts.astype(np.int32), seconds.astype(np.int32), np.asarray(amounts, dtype=np.float32)
        begin = 0
        while True:
            tables = self._starts, self._orders, self._used
            pool = self._index, self._keys, self._values, self._free
            begin = _add(*tables, *pool, *pairs, begin)
            if begin == len(pairs[0]):
                return
            self._index = _doubled(self._index)
            self._keys, self._values = _doubled(self._keys), _doubled(self._values)

    def spread(self, rows: SomeRows, coefficients: Scores, items: int) -> Scores:
        """(items,) for each item j the sum of coefficient n * weight(row n, j). rows, coefficients: (n,)."""
        scores = np.zeros(items)
        table = self._starts, self._used, self._keys, self._values
        _spread(*table, rows.astype(np.int32), np.asarray(coefficients, dtype=np.float64), scores)
        return scores

    def scale(self, by: float) -> None:
        """Multiply all weights."""
        self._values *= np.float32(by)


def _doubled(values: Any) -> Any:
    return np.concatenate([values, np.zeros(len(values), dtype=values.dtype)])
