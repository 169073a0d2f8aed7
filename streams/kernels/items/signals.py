"""What a user's uses say of items: each of its item, and of the items that the user had used before."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@helper
def _mixed(h: Any) -> Any:
    """The finaliser of SplitMix64."""
    h = (h ^ (h >> np.uint64(30))) * _MIX_1
    h = (h ^ (h >> np.uint64(27))) * _MIX_2
    return h ^ (h >> np.uint64(31))


@helper
def _session(user: Any, day: int) -> Any:
    key = _mixed(user ^ _mixed((np.uint64(day) + np.uint64(1)) * _GOLDEN))
    return key if key != np.uint64(0) else np.uint64(1)


@helper
def _begin(user: int, items: Any, weights: Any, ordinals: Any, known: Any, numbers: Any) -> int:
    """Fill in a user's items, newest first, each once; returns how many. items, weights, ordinals: the rings."""
    length, size = items.shape[1], known.shape[1]
    newest, last = -1, np.int64(-1)
    for slot in range(length):
        if items[user, slot] != 0 and np.int64(ordinals[user, slot]) > last:
            newest, last = slot, np.int64(ordinals[user, slot])
    count = 0
    for back in range(length if newest >= 0 else 0):
        slot = (newest - back) % length
        item = items[user, slot]
        if item == 0 or not weights[user, slot] > 0:
            continue
        place = 0
        while place < count and known[user, place] != item:
            place += 1
        if place == count and count < size:
            known[user, count], numbers[user, count] = item, ordinals[user, slot]
            count += 1
    return count


@helper
def _use(user: int, item: Any, ordinal: int, count: int, known: Any, numbers: Any) -> int:
    """Put an item first among the user's; returns how many there are."""
    place = 0
    while place < count and known[user, place] != item:
        place += 1
    if place == count:
        count = min(count + 1, known.shape[1])
        place = count - 1
    for at in range(place, 0, -1):
        known[user, at], numbers[user, at] = known[user, at - 1], numbers[user, at - 1]
    known[user, 0], numbers[user, 0] = item, ordinal
    return count


@helper
def _pairs(use: Any, item: Any, before: Any, nearness: Any, columns: Any, n: int) -> int:
    """Write the pairs of a use; returns where the next signal goes.

    before: how many items, their keys, the numbers of their uses, and the least of these that counts.
    """
    count, known, numbers, oldest = before
    keys, others, said, source = columns
    near = 0
    for place in range(count):
        other = known[place]
        if other == item or near == nearness.shape[1] or numbers[place] < oldest:
            continue
        if nearness[0, near] > 0:
            keys[n], others[n], said[n], source[n] = other, item, nearness[0, near], use
            n += 1
        if nearness[1, near] > 0:
            keys[n], others[n], said[n], source[n] = item, other, nearness[1, near], use
            n += 1
        near += 1
    return n


@kernel("u8:A2 f4:A2 u4:A2 u8:C1 i8:C1 u8:C1 i8:C1 f4:C1 i8:C1 i8:C1 f4:C2 i8")
def emit(
    ring_items: Any,
    ring_weights: Any,
    ring_ordinals: Any,
    user_keys: Any,
    users: Any,
    items: Any,
    times: Any,
    weights: Any,
    ordinals: Any,
    offsets: Any,
    nearness: Any,
    session_ms: int,
) -> Any:
    """The columns of `items.signals.ItemSignals`; see `items.signaller`.

    ring_*: (U, H). user_keys: (U,). users to offsets: (n,) of the uses. nearness: (2, m) weight of the pair with the
    k-th item before, in either direction; 0 where there is none.
    """
    length, most = ring_items.shape[1], nearness.shape[1]
    known = np.zeros((len(user_keys), most + 1), np.uint64)
    numbers, counts = np.zeros(known.shape, np.int64), np.full(len(user_keys), -1, np.int64)
    size = len(users) * (int((nearness > 0).sum()) + 1)
    keys, others, sessions = np.empty(size, np.uint64), np.empty(size, np.uint64), np.zeros(size, np.uint64)
    said, source, n = np.empty(size, np.float32), np.empty(size, np.int64), 0
    for use in range(len(users)):
        user, item = users[use], items[use]
        if counts[user] < 0:
            counts[user] = _begin(user, ring_items, ring_weights, ring_ordinals, known, numbers)
        keys[n], others[n], said[n], source[n] = item, 0, weights[use], use
        sessions[n] = _session(user_keys[user], times[use] // session_ms)
        before = (counts[user], known[user], numbers[user], ordinals[use] - length)
        n = _pairs(use, item, before, nearness, (keys, others, said, source), n + 1)
        counts[user] = _use(user, item, ordinals[use], counts[user], known, numbers)
    used = source[:n]
    return keys[:n], others[:n], said[:n], times[used], sessions[:n], offsets[used]
