"""Makes item signals of what users do: each use speaks of its item, and of the items used before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from streams.items.layout import SESSION_MS
from streams.items.signals import NO_KEY, Floats, ItemSignals, Keys, Longs
from streams.kernels.compiling import compiled
from streams.kernels.items.signals import emit

# Items used before one that it forms pairs with, at most.
PREVIOUS = 20
# What the item before learns of the one after it is 1 / (1 + FALL * (k - 1)) for the k-th before; what the one after
# learns of it is this times BACKWARD.
FALL, BACKWARD = 0.25, 0.3

WORD = 2**64 - 1


@lru_cache
def nearness(pairs: int) -> Floats:
    """(2, PREVIOUS) weights of the pairs, forward and backward; 0 for those that are not made.

    pairs: of one use, at most. Three of four are forward: with them most is learned of as many, more than with pairs
    that are drawn by chance.
    """
    forward = 1 / (1 + FALL * np.arange(PREVIOUS))
    found = np.stack((forward, BACKWARD * forward)).astype(np.float32)
    most = min(PREVIOUS, -(-3 * pairs // 4))
    found[0, most:], found[1, max(0, pairs - most) :] = 0, 0
    return found


@dataclass(frozen=True, slots=True)
class Remembered:
    """The rings of U users' newest signals, of H slots, as they were before the batch.

    From the newest signal's slot backward, and on from the last slot, they are ever older.

    items: (U, H) `item_key`; NO_KEY for none. weights: (U, H) above 0 where the user chose the item.
    ordinals: (U, H) number of the signal among its user's, rising. users: (U,) `user_key` of each.
    """

    items: Keys
    weights: Floats
    ordinals: npt.NDArray[np.uint32]
    users: Keys

    @classmethod
    def of(cls, history: Any, users: Keys) -> Remembered:
        """history: (U, H) structured, with the fields `item`, `chosen` and `ordinal`, as in users' states."""
        return cls(history["item"], history["chosen"].astype(np.float32), history["ordinal"], users)


@dataclass(frozen=True, slots=True)
class Uses:
    """n signals on items with a weight above 0, in log order.

    users: (n,) place of the user in `Remembered`. items: (n,) `item_key`. times: (n,) milliseconds. weights: (n,).
    ordinals: (n,) as in `Remembered`; the user's signals that are no uses count, too. offsets: (n,) of the events.
    """

    users: Longs
    items: Keys
    times: Longs
    weights: Floats
    ordinals: Longs
    offsets: Longs


def user_key(user_id: str) -> int:
    """64-bit key of a user, from which the keys of the user's sessions are made; the same on every machine."""
    return int(xxh3_64_intdigest(user_id.encode()))


def item_signals(remembered: Remembered, uses: Uses, near: Floats) -> ItemSignals:
    """What the uses say, use by use: of the item, then of the pairs with the last items before it.

    near: as `nearness` has it.

    A use of weight above 1 counts as 1. The items before are those among the user's last H signals that had a weight
    above 0, each once, by its newest use, without the item itself; so the signals do not depend on where batches end.
    """
    weights = np.minimum(uses.weights, np.float32(1))
    columns = (uses.users, uses.items, uses.times, weights, uses.ordinals, uses.offsets)
    if compiled():
        rings = (remembered.items, remembered.weights, remembered.ordinals, remembered.users)
        whole = (np.ascontiguousarray(column) for column in columns)
        return ItemSignals(*emit(*rings, *whole, near, SESSION_MS))
    return _plainly(remembered, Uses(*columns), near)


def _plainly(remembered: Remembered, uses: Uses, near: Floats) -> ItemSignals:
    """The same without compiled code."""
    known: dict[int, dict[int, int]] = {}
    rows: list[tuple[int, int, np.float32, int, int, int]] = []
    length, keys = remembered.items.shape[1], remembered.users.tolist()
    columns = (uses.users, uses.items, uses.times, uses.weights, uses.ordinals, uses.offsets)
    for user, item, time, weight, ordinal, offset in zip(*(c.tolist() for c in columns), strict=True):
        if user not in known:
            known[user] = _items(remembered, user)
        own = known[user]
        rows.append((item, NO_KEY, np.float32(weight), time, session_key(keys[user], time), offset))
        oldest = ordinal - length
        before = [other for other in reversed(own) if other != item and own[other] >= oldest]
        for k, other in enumerate(before[:PREVIOUS]):
            pairs = zip(((other, item), (item, other)), near[:, k], strict=True)
            rows += [(*pair, said, time, NO_KEY, offset) for pair, said in pairs if said > 0]
        own.pop(item, None)
        own[item] = ordinal
    return _columns(rows)


def _items(remembered: Remembered, user: int) -> dict[int, int]:
    """A user's positive items, the newest last, with the ordinal of the newest use of each."""
    ring = zip(
        remembered.ordinals[user].tolist(),
        remembered.items[user].tolist(),
        remembered.weights[user].tolist(),
        strict=True,
    )
    found: dict[int, int] = {}
    for ordinal, item, weight in sorted(entry for entry in ring if entry[1] != NO_KEY):
        if weight > 0:
            found.pop(item, None)
            found[item] = ordinal
    return found


def session_key(user: int, time: int) -> int:
    """Key of the session of a user, by `user_key`, at a time, milliseconds; never NO_KEY."""
    day = (time // SESSION_MS + 1) * 0x9E3779B97F4A7C15 & WORD
    return _mixed(user ^ _mixed(day)) or 1


def _mixed(h: int) -> int:
    """The finaliser of SplitMix64."""
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB & WORD
    return h ^ (h >> 31)


def _columns(rows: list[tuple[int, int, np.float32, int, int, int]]) -> ItemSignals:
    if not rows:
        return ItemSignals.none()
    items, others, weights, times, sessions, offsets = zip(*rows, strict=True)
    keys = (np.array(items, dtype=np.uint64), np.array(others, dtype=np.uint64))
    longs = np.array(times, dtype=np.int64)
    return ItemSignals(
        *keys,
        np.array(weights, dtype=np.float32),
        longs,
        np.array(sessions, dtype=np.uint64),
        np.array(offsets, dtype=np.int64),
    )
