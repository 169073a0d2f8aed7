"""Users' states take in a batch: their headers, ids of recent events, recent signals, and what was shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

# What an event means where impressions wait for an answer, and what becomes of these; see `flow.feedback.joining`.
OTHER_ACT, USE, IMPRESSION = range(3)
SHOWN, USED, IGNORED, DISPLACED = range(4)
_NONE = -1


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


@helper
def _outcome(waits: Any, since: int, ends: int, kind: int, item: Any, now: int) -> int:
    """What an event makes of an impression of `waits` that was shown at `since`; _NONE where it waits on."""
    if ends < now:
        return IGNORED
    if waits != item or kind == OTHER_ACT:
        return _NONE
    if kind == IMPRESSION:
        return DISPLACED
    return USED if now >= since else _NONE


@helper
def _move(ring: Any, user: int, begin: int, end: int) -> None:
    item, time, of_list, source, place, arm = ring
    item[user, end], time[user, end] = item[user, begin], time[user, begin]
    of_list[user, end], source[user, end] = of_list[user, begin], source[user, begin]
    place[user, end], arm[user, end] = place[user, begin], arm[user, begin]


@helper
def _clear(ring: Any, user: int, slot: int) -> None:
    item, time, of_list, source, place, arm = ring
    item[user, slot], time[user, slot], of_list[user, slot] = 0, 0, 0
    source[user, slot], place[user, slot], arm[user, slot] = 0, 0, 0


@helper
def _tell(told: Any, at: int, event: int, outcome: int, ring: Any, user: int, slot: int) -> int:
    events, outcomes, item, time, of_list, source, place, arm = told
    events[at], outcomes[at] = event, outcome
    item[at], time[at], of_list[at] = ring[0][user, slot], ring[1][user, slot], ring[2][user, slot]
    source[at], place[at], arm[at] = ring[3][user, slot], ring[4][user, slot], ring[5][user, slot]
    return at + 1


@kernel(
    "i8:C1 u1:C1 u8:A1 i8:A1 i8:A1 u4:A1 u2:A1 u2:A1 i8 u8:A2! i8:A2! i8:A2! u4:A2! u2:A2! u2:A2! "
    "i8:C1! u1:C1! u8:A1! i8:A1! i8:A1! u4:A1! u2:A1! u2:A1!"
)
def join(
    position: Any,
    kinds: Any,
    items: Any,
    times: Any,
    lists: Any,
    sources: Any,
    places: Any,
    arms: Any,
    window: int,
    item: Any,
    time: Any,
    of_list: Any,
    source: Any,
    place: Any,
    arm: Any,
    events: Any,
    outcomes: Any,
    told_item: Any,
    told_time: Any,
    told_list: Any,
    told_source: Any,
    told_place: Any,
    told_arm: Any,
) -> int:
    """Let n events, in the order of the log, change what waits (U, N); returns how many outcomes were told.

    position: (n,) of each event's user. kinds, items, times: (n,) of each event; lists, sources, places, arms: of
    impressions. item, ..., arm: the fields of what waits. Written of each outcome (m,): the event, the outcome, and the
    fields of the impression.
    """
    ring, count, slots = (item, time, of_list, source, place, arm), 0, item.shape[1]
    told = events, outcomes, told_item, told_time, told_list, told_source, told_place, told_arm
    for i in range(len(position)):
        user, kept, slot = position[i], 0, 0
        while slot < slots and item[user, slot] != 0:
            since = time[user, slot]
            outcome = _outcome(item[user, slot], since, since + window, kinds[i], items[i], times[i])
            if outcome >= 0:
                count = _tell(told, count, i, outcome, ring, user, slot)
            else:
                _move(ring, user, slot, kept)
                kept += 1
            slot += 1
        if kinds[i] == IMPRESSION and kept == slots:
            count = _tell(told, count, i, DISPLACED, ring, user, 0)
            for behind in range(1, slots):
                _move(ring, user, behind, behind - 1)
            kept -= 1
        for free in range(kept, slot):
            _clear(ring, user, free)
        if kinds[i] == IMPRESSION:
            item[user, kept], time[user, kept], of_list[user, kept] = items[i], times[i], lists[i]
            source[user, kept], place[user, kept], arm[user, kept] = sources[i], places[i], arms[i]
            count = _tell(told, count, i, SHOWN, ring, user, kept)
    return count
