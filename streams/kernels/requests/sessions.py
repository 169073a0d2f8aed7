"""Items of the sessions that are most like one user's last items; see `choosing` for sums and slots.

A kernel that was kept does not see a change of `choosing`: where `_top` changes, change this file, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.requests.choosing import _top

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@helper
def _similar(items: Any, steps: Any, rings: Any, keys: Any, sums: Any, found: Any, places: Any) -> int:
    """Add up by session what each of h items counts that the session had; returns how many sessions there are.

    They are written in the order in which they are met, with their places in the table of keys and sums.
    """
    mask, count = np.uint64(len(keys) - 1), 0
    for k in range(len(items)):
        for i in range(rings.shape[1]):
            key = rings[items[k], i]
            if key == 0:
                continue
            place = key & mask
            while keys[place] != 0 and keys[place] != key:
                place = (place + np.uint64(1)) & mask
            if keys[place] == 0:
                keys[place], sums[place] = key, 0
                found[count], places[count] = key, np.int32(place)
                count += 1
            sums[place] += steps[k]
    return count


@helper
def _first(key: Any, sessions: Any, heads: Any) -> Any:
    """The first node of a session; 0 for none. See `kernels.items.table.exchange`."""
    mask = np.uint64(len(sessions) - 1)
    place = ((key * _GOLDEN) >> np.uint64(20)) & mask
    while sessions[place] != 0 and sessions[place] != key:
        place = (place + np.uint64(1)) & mask
    return heads[place] if sessions[place] != 0 else np.int32(0)


@kernel("i4:C1 f4:C1 u8:C2 u8:C1! f4:C1! u8:C1 i4:C1 i4:C2 i8 i8 i4:C1! f4:C2! i4:C1!")
def alike(
    items: Any,
    steps: Any,
    rings: Any,
    keys: Any,
    similarities: Any,
    sessions: Any,
    heads: Any,
    nodes: Any,
    nearest: int,
    most: int,
    slots: Any,
    sums: Any,
    touched: Any,
) -> int:
    """Add the similarities of the `nearest` sessions most like h items to `most` items of each; as `gather`.

    steps: (h,) what each item counts. rings: (n, s). keys, similarities: a table of a power of two of slots, all keys
    0. sessions, heads, nodes: see `kernels.items.table.exchange`. sums: (c, 1), zeros.
    """
    found, places = np.empty(rings.shape[1] * len(items), np.uint64), np.empty(len(keys), np.int32)
    number, count = _similar(items, steps, rings, keys, similarities, found, places), 0
    said = np.empty(number, np.float32)
    for i in range(number):
        said[i], keys[places[i]], places[i] = similarities[places[i]], 0, i
    for i in _top(said, places[:number], nearest):
        node, left = _first(found[i], sessions, heads), most
        while node > 0 and left > 0:
            row = nodes[node, 0]
            touched[count] = row
            new = slots[row] == 0
            count += new
            slots[row] = count if new else slots[row]
            sums[slots[row] - 1, 0] += said[i]
            node, left = nodes[node, 1], left - 1
    return count
