"""Rows by key, and which items a session had."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@helper
def _slot(keys: Any, key: Any) -> Any:
    """Where a key stands in a table of a power of two of slots, or would stand; key 0 marks a free slot."""
    mask = np.uint64(len(keys) - 1)
    slot = ((key * _GOLDEN) >> np.uint64(20)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel("u8:C1 i4 u8:C1! i4:C1!")
def enter(keys: Any, first: Any, slots: Any, rows: Any) -> None:
    """Enter keys (n,) of the rows from `first` on into a table with room for them."""
    for i in range(len(keys)):
        if keys[i] != 0:
            slot = _slot(slots, keys[i])
            slots[slot], rows[slot] = keys[i], first + i


@kernel("u8:C1 u8:C1 i4:C1 i4:C1!")
def find(keys: Any, slots: Any, rows: Any, found: Any) -> int:
    """Write the row of each key (n,); -1 for none. Returns how many keys other than 0 have none."""
    missing = 0
    for i in range(len(keys)):
        found[i] = -1
        if keys[i] != 0:
            slot = _slot(slots, keys[i])
            if slots[slot] != 0:
                found[i] = rows[slot]
            else:
                missing += 1
    return missing


@helper
def _leave(row: int, key: Any, slots: Any, heads: Any, nodes: Any) -> None:
    """Take an item out of a session. nodes: (m, 2) row and next node; node 0 begins the free ones."""
    slot = _slot(slots, key)
    before, node = -1, heads[slot]
    while node > 0 and nodes[node, 0] != row:
        before, node = node, nodes[node, 1]
    if slots[slot] == 0 or node <= 0:
        return
    if before < 0:
        heads[slot] = nodes[node, 1]
    else:
        nodes[before, 1] = nodes[node, 1]
    nodes[node, 1] = nodes[0, 1]
    nodes[0, 1] = node


@kernel("i8:C1 u8:C2 u8:C2 u8:C1! i4:C1! i4:C2! i8:C1!")
def exchange(rows: Any, before: Any, after: Any, slots: Any, heads: Any, nodes: Any, used: Any) -> None:
    """Put each item (n,) from the sessions of its old ring into those of its new one. before, after: (n, s).

    slots, heads: the sessions by key, and the first node of each. nodes: (m, 2) an item's row and the next node of
    the session; 0 for none. used: (2,) slots and nodes that were ever used. All with room for what is new.
    """
    for i in range(len(rows)):
        for slot in range(before.shape[1]):
            if before[i, slot] != after[i, slot] and before[i, slot] != 0:
                _leave(rows[i], before[i, slot], slots, heads, nodes)
        for slot in range(before.shape[1]):
            key = after[i, slot]
            if before[i, slot] == key or key == 0:
                continue
            place = _slot(slots, key)
            if slots[place] == 0:
                slots[place], heads[place] = key, 0
                used[0] += 1
            node = nodes[0, 1]
            if node > 0:
                nodes[0, 1] = nodes[node, 1]
            else:
                used[1] += 1
                node = np.int32(used[1])
            nodes[node, 0], nodes[node, 1] = rows[i], heads[place]
            heads[place] = node


@kernel("u8:C1 i4:C1 u8:C1! i4:C1!")
def rehash(old: Any, old_heads: Any, slots: Any, heads: Any) -> int:
    """Move the sessions that have an item into an empty table; returns how many."""
    moved = 0
    for i in range(len(old)):
        if old[i] != 0 and old_heads[i] > 0:
            slot = _slot(slots, old[i])
            slots[slot], heads[slot] = old[i], old_heads[i]
            moved += 1
    return moved


@helper
def _among(leaders: Any, count: int, row: int) -> int:
    """Where a row stands among the first `count`; -1 where it does not."""
    place = -1
    for at in range(count):
        if leaders[at] == row:
            place = at
    return place


@helper
def _ahead(keys: Any, h: int, one: int, other: int) -> bool:
    """True where one row comes before another: the larger key; of equal ones, the smaller row."""
    return bool(keys[one, h] > keys[other, h] or (keys[one, h] == keys[other, h] and one < other))


@kernel("i4:C1 f8:C2 f8:C2! i4:C2! i8:C1!")
def promote(rows: Any, changed: Any, keys: Any, leaders: Any, counts: Any) -> bool:
    """Give rows (m,), each once, their new keys (m, h), and keep the rows of the largest keys in order.

    keys: (n, h), -inf for none. leaders: (h, s) rows, the largest key first. counts: (h,) how many. False where a
    leader's key fell: others may be larger than the last ones now.
    """
    whole, size = True, leaders.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        for h in range(len(leaders)):
            own = leaders[h]
            place = _among(own, counts[h], row)
            whole &= place < 0 or changed[i, h] >= keys[row, h]
            keys[row, h] = changed[i, h]
            if place < 0 and counts[h] < size:
                place = counts[h]
                counts[h] += 1
            elif place < 0:
                if not _ahead(keys, h, row, own[size - 1]):
                    continue
                place = size - 1
            while place > 0 and _ahead(keys, h, row, own[place - 1]):
                own[place] = own[place - 1]
                place -= 1
            own[place] = row
    return whole


@kernel("i4:C2 i8:C1 b1:C1 i4:C2!")
def pick(leaders: Any, counts: Any, banned: Any, found: Any) -> None:
    """Write the first leaders (h, k) that are not banned; -1 after the last."""
    for h in range(len(leaders)):
        number = 0
        for at in range(counts[h]):
            if number == found.shape[1]:
                break
            if not banned[leaders[h, at]]:
                found[h, number] = leaders[h, at]
                number += 1
        found[h, number:] = -1
