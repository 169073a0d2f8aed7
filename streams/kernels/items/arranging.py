"""Signals as records have them, in the order in which items' states take them in."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import kernel

# A pair of signals at hand: what `arrange` writes of it.
STATE, ITEM, OTHER, BLOCK, WEIGHTS, WIDTH = 0, 1, 2, 3, 4, 5


@kernel("u4:C1 u4:C1 i8 i8")
def in_order(items: Any, events: Any, item_count: int, event_count: int) -> bool:
    """True where all signals (n,) are of items and events that there are, and the events rise."""
    right, last = True, np.int64(0)
    for i in range(len(items)):
        event = np.int64(events[i])
        right = bool(right and np.int64(items[i]) < item_count and last <= event < event_count)
        last = event
    return right


@kernel("u4:C1 u4:C1 b1:C1 i8:C1!")
def tally(items: Any, events: Any, fresh: Any, counts: Any) -> None:
    """Add up how many signals (n,) of fresh events (E,) each item (K,) has."""
    for i in range(len(items)):
        counts[items[i]] += 1 if fresh[events[i]] else 0


@kernel("i8:C1 u4:C1 u4:C1 u8:C1 b1:C1 i8:C1!")
def count(positions: Any, items: Any, events: Any, others: Any, fresh: Any, begins: Any) -> int:
    """Add up how many pairs each state takes in, one place behind it; returns how many uses there are.

    positions: (K,) state of each item, below 0 for none. items to others: (n,). fresh: (E,).
    """
    uses = 0
    for i in range(len(items)):
        at = positions[items[i]]
        if at < 0 or not fresh[events[i]]:
            continue
        if others[i] != 0:
            begins[at + 1] += 1
        else:
            uses += 1
    return uses


@kernel("i8:C1 u4:C1 u4:C1 u8:C1 b1:C1 i8:C1! f4:C1 u8:C1 f4:C1 i8:C1 u8:C2! f4:C2! i8:C1! i8:C1!")
def arrange(
    positions: Any,
    items: Any,
    events: Any,
    others: Any,
    fresh: Any,
    begins: Any,
    said: Any,
    keys: Any,
    gains: Any,
    blocks: Any,
    words: Any,
    floats: Any,
    used: Any,
    using: Any,
) -> None:
    """Write the pairs in order of their states, those of one as they come, and which signals are uses.

    positions to fresh: as for `count`. begins: where the next pair of each state goes. said: (n,) weights. keys: (K,).
    gains, blocks: (E,) by what a weight grows from the begin of its block to the event's time. words: (m, WIDTH), by
    STATE and on. floats: the same memory as (m, 2 * WIDTH); at WEIGHTS, what to add to either list. used, using: take
    the state and the signal of each use.
    """
    uses = 0
    for i in range(len(items)):
        item, event = items[i], events[i]
        at = positions[item]
        if at < 0 or not fresh[event]:
            continue
        if others[i] == 0:
            used[uses], using[uses] = at, i
            uses += 1
            continue
        place = begins[at]
        begins[at] += 1
        words[place, STATE], words[place, ITEM] = np.uint64(at), keys[item]
        words[place, OTHER], words[place, BLOCK] = others[i], np.uint64(blocks[event])
        floats[place, 2 * WEIGHTS], floats[place, 2 * WEIGHTS + 1] = said[i], gains[event] * said[i]
