"""Pairs among signals, in the order in which items' states take them in."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import kernel

# A pair of signals at hand: what `arrange` writes of it.
STATE, ITEM, OTHER, BLOCK, WEIGHTS, WIDTH = 0, 1, 2, 3, 4, 5


@kernel("i8:C1 u8:C1 u8:C1 f4:C1 f4:C1 i8:C1 i8 u8:C2! f4:C2!")
def arrange(
    positions: Any,
    items: Any,
    others: Any,
    said: Any,
    gains: Any,
    blocks: Any,
    states: int,
    words: Any,
    floats: Any,
) -> int:
    """Write the pairs among n signals in order of their states, those of one as they came; returns how many.

    said: weight of each. gains: by what it grows from the begin of its block to its time. words: (n, WIDTH), by
    STATE and on. floats: the same memory as (n, 2 * WIDTH); at WEIGHTS, what to add to either list.
    """
    begins, count = np.zeros(states + 1, np.int64), 0
    for i in range(len(positions)):
        if others[i] != 0:
            begins[positions[i] + 1] += 1
            count += 1
    for state in range(states):
        begins[state + 1] += begins[state]
    for i in range(len(positions)):
        if others[i] != 0:
            at = begins[positions[i]]
            begins[positions[i]] += 1
            words[at, STATE], words[at, ITEM] = np.uint64(positions[i]), items[i]
            words[at, OTHER], words[at, BLOCK] = others[i], np.uint64(blocks[i])
            floats[at, 2 * WEIGHTS], floats[at, 2 * WEIGHTS + 1] = said[i], gains[i] * said[i]
    return count
