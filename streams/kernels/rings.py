"""Users' states take in a batch: their headers, ids of recent events, and recent signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import kernel


@kernel("i8:C1 i8:C1 u8:C1 b1:C1 b1 i8:A1! i8:A1! u8:A2! i8:A1! u8:A1!")
def take_in(
    position: Any,
    offsets: Any,
    keys: Any,
    done: Any,
    remembered: bool,
    applied_to: Any,
    accepted: Any,
    recent: Any,
    applied: Any,
    digest: Any,
) -> None:
    """Enter n events into the headers of U states: highest offset, ids, number and digest of those that are done.

    position: (n,) of each event's state. done: (n,) false for events that wait. remembered: the ids are in the rings.
    """
    window = recent.shape[1]
    for i in range(len(position)):
        user = position[i]
        applied_to[user] = max(applied_to[user], offsets[i])
        if not remembered:
            recent[user, accepted[user] % window] = keys[i]
            accepted[user] += 1
        if done[i]:
            applied[user] += 1
            digest[user] += keys[i]


@kernel(
    "i8:C1 i8:C1 i8:C1 i8:C1 i8:C1 i8:C1 f4:C1 u4:C1 u4:C1 u8:C1 u8:A2! i8:A2! f4:A2! u4:A2! u4:A2! u4:A2!"
)
def write_history(
    users: Any,
    occurrence: Any,
    counts: Any,
    before: Any,
    items: Any,
    times: Any,
    weights: Any,
    actions: Any,
    chosen: Any,
    item_keys: Any,
    item: Any,
    time: Any,
    weight: Any,
    ordinal: Any,
    action: Any,
    was_chosen: Any,
) -> None:
    """Write each user's newest signals into the ring (U, H); see `flow.event_history`.

    users, occurrence, items, times, weights, actions, chosen: (n,) of the signals, in round order.
    counts, before: (U,). item_keys: of each catalog row. The others are the fields of the ring.
    """
    length = item.shape[1]
    for i in range(len(users)):
        user = users[i]
        if occurrence[i] < counts[user] - length:
            continue
        number = before[user] + occurrence[i]
        slot = number % length
        item[user, slot] = item_keys[items[i]] if items[i] >= 0 else np.uint64(0)
        time[user, slot], weight[user, slot] = times[i], weights[i]
        ordinal[user, slot], action[user, slot] = number, actions[i]
        was_chosen[user, slot] = chosen[i]
