"""Weights of pairs of items, without a bound on their number: one hash table per item, all in one pool of memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.history.evaluate.baselines.ranking import Scores, SomeRows
from streams.kernels.compiling import helper, kernel

# Slots of the smallest table. Tables start at multiples of it, so a free one's place divided by it fits into a key.
LEAST = 4
NOBODY = -1
# A pool begins with so many slots, and doubles.
FIRST_SLOTS = 1 << 12


@helper
def _slot(keys: Any, start: Any, size: Any, key: Any) -> Any:
    """Where a key is in a table of `size` slots, or the empty slot that it may take."""
    at = ((key * 2654435761) >> 7) & (size - 1)
    while keys[start + at] >= 0 and keys[start + at] != key:
        at = (at + 1) & (size - 1)
    return start + at


@helper
def _room(keys: Any, values: Any, free: Any, order: Any) -> Any:
    """The start of an empty table of LEAST << order slots, -1 where the pool has none. free: (64,) heads of the chains
    of freed tables by order, and last the first slot that was never used."""
    size, start = LEAST << order, free[order]
    if start >= 0:
        free[order] = -1 if keys[start] < 0 else np.int64(keys[start]) * LEAST
    else:
        start = free[63]
        if start + size > len(keys):
            return -1
        free[63] = start + size
    keys[start : start + size] = -1
    values[start : start + size] = 0.0
    return start


@helper
def _grow(starts: Any, orders: Any, keys: Any, values: Any, free: Any, item: Any) -> Any:
    """Give an item a table twice as large; false where the pool has no room."""
    order = orders[item] + 1
    start = _room(keys, values, free, order)
    if start < 0:
        return False
    if order > 0:
        old, size = starts[item], LEAST << (order - 1)
        for at in range(old, old + size):
            if keys[at] >= 0:
                to = _slot(keys, start, LEAST << order, keys[at])
                keys[to], values[to] = keys[at], values[at]
        head = free[order - 1]
        keys[old] = -1 if head < 0 else head // LEAST
        free[order - 1] = old
    starts[item], orders[item] = start, order
    return True


@kernel("i8:C1! i4:C1! i4:C1! i4:C1! f4:C1! i8:C1! i4:C1 i4:C1 f4:C1 i8")
def _add(
    starts: Any,
    orders: Any,
    used: Any,
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
        # A table is full at three quarters.
        full = orders[item] < 0 or 4 * (used[item] + 1) > 3 * (LEAST << orders[item])
        if full and not _grow(starts, orders, keys, values, free, item):
            return n
        at = _slot(keys, starts[item], LEAST << orders[item], seconds[n])
        if keys[at] < 0:
            keys[at] = seconds[n]
            used[item] += 1
        values[at] += amounts[n]
    return len(firsts)


@kernel("i8:C1 i4:C1 i4:C1 f4:C1 i4:C1 f8:C1 f8:C1!")
def _spread(
    starts: Any, orders: Any, keys: Any, values: Any, rows: Any, coefficients: Any, scores: Any
) -> None:
    """scores[j] += coefficient * weight(i, j) for each i of `rows` and each j of its table."""
    for n in range(len(rows)):
        if orders[rows[n]] < 0:
            continue
        start = starts[rows[n]]
        for at in range(start, start + (LEAST << orders[rows[n]])):
            if keys[at] >= 0:
                scores[keys[at]] += coefficients[n] * values[at]


class Pairs:
    """Directed weights from item to item."""

    def __init__(self, items: int) -> None:
        self._starts = np.zeros(items, dtype=np.int64)
        self._orders = np.full(items, NOBODY, dtype=np.int32)
        self._used = np.zeros(items, dtype=np.int32)
        self._keys = np.zeros(FIRST_SLOTS, dtype=np.int32)
        self._values = np.zeros(FIRST_SLOTS, dtype=np.float32)
        self._free = np.full(64, NOBODY, dtype=np.int64)
        self._free[63] = 0

    def add(self, firsts: SomeRows, seconds: SomeRows, amounts: Any) -> None:
        """Add amounts (n,) to the weights of the pairs first -> second. firsts, seconds: (n,) rows."""
        pairs = firsts.astype(np.int32), seconds.astype(np.int32), np.asarray(amounts, dtype=np.float32)
        begin = 0
        while True:
            table = self._starts, self._orders, self._used, self._keys, self._values, self._free
            begin = _add(*table, *pairs, begin)
            if begin == len(pairs[0]):
                return
            self._keys, self._values = _doubled(self._keys), _doubled(self._values)

    def spread(self, rows: SomeRows, coefficients: Scores, items: int) -> Scores:
        """(items,) for each item j the sum of coefficient n * weight(row n, j). rows, coefficients: (n,)."""
        scores = np.zeros(items)
        table = self._starts, self._orders, self._keys, self._values
        _spread(*table, rows.astype(np.int32), np.asarray(coefficients, dtype=np.float64), scores)
        return scores

    def scale(self, by: float) -> None:
        """Multiply all weights."""
        self._values *= np.float32(by)


def _doubled(values: Any) -> Any:
    return np.concatenate([values, np.zeros(len(values), dtype=values.dtype)])
