"""Items' states take in what uses say of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.items.layout import (
    BLOCK_HALF_LIVES,
    BLOCK_MS,
    HALF_LIVES_MS,
    ITEM_DTYPE,
    NEIGHBOURS,
    RECENT_HALF_LIFE_MS,
    SESSIONS,
    States,
)
from streams.items.signals import NO_KEY, Floats, ItemSignals, Longs
from streams.kernels.compiling import compiled
from streams.kernels.items.arranging import WIDTH, arrange
from streams.kernels.items.pairs import pair
from streams.kernels.items.uses import move, use

Doubles = npt.NDArray[np.float64]

WORD = 2**64 - 1
# What the kernel reads by its place in a row, each in numbers of its own kind.
READ = (
    *("pairs", "block", "neighbours"),
    *("lasting", "recent", "lasting_weights", "recent_weights"),
)
SIZES = np.array([ITEM_DTYPE[name].base.itemsize for name in READ], dtype=np.int64)
FIELDS = np.array([ITEM_DTYPE.fields[name][1] for name in READ], dtype=np.int64) // SIZES  # type: ignore[index]  # it has fields


def update(states: States, positions: Longs, signals: ItemSignals, within: str | None = None) -> None:
    """Fold the signals into the states (U,) of dtype ITEM_DTYPE, in place. positions: (n,) state of each signal.

    within: the states are contiguous rows of another dtype, which hold them in this field; then nothing is copied.

    The signals of one item take effect in their order; those of different items have nothing to do with one another,
    so a state does not depend on how the signals were cut into batches.
    """
    if not len(signals):
        return
    whole = np.ascontiguousarray(states)
    uses = np.flatnonzero(signals.others == NO_KEY)
    _take_uses(whole if within is None else whole[within], positions[uses], signals.only(uses))
    if len(uses) < len(signals):
        _take_pairs(whole, positions, signals, within)
    if whole is not states:
        states[...] = whole


def _take_uses(states: States, positions: Longs, uses: ItemSignals) -> None:
    elapsed, lateness = np.zeros((2, len(uses)), dtype=np.int64)
    moved = (states["newest"], states["first"], states["uses"])
    (move if compiled() else _move)(positions, uses.times, *moved, elapsed, lateness)
    half_lives = np.array(HALF_LIVES_MS, dtype=np.float64)
    decays = np.exp2(-elapsed[:, None] / half_lives)
    gains = uses.weights[:, None].astype(np.float64) * np.exp2(-lateness[:, None] / half_lives)
    kept = (states["sums"], states["sessions_count"], states["sessions"])
    (use if compiled() else _use)(positions, uses.sessions, decays, gains, *kept)


def _move(
    positions: Longs, times: Longs, newest: Longs, first: Longs, uses: Longs, elapsed: Longs, lateness: Longs
) -> None:
    """`kernels.items.uses.move` without compiled code."""
    for i, (at, time) in enumerate(zip(positions.tolist(), times.tolist(), strict=True)):
        if uses[at] == 0:
            newest[at] = first[at] = time
        moved = max(newest[at], time)
        elapsed[i], lateness[i] = moved - newest[at], moved - time
        newest[at], first[at] = moved, min(first[at], time)
        uses[at] += 1


def _use(
    positions: Longs, sessions: Any, decays: Doubles, gains: Doubles, sums: Doubles, entered: Longs, ring: Any
) -> None:
    """`kernels.items.uses.use` without compiled code."""
    for i, at in enumerate(positions.tolist()):
        sums[at] = sums[at] * decays[i] + gains[i]
        if sessions[i] != NO_KEY and sessions[i] not in ring[at]:
            ring[at, entered[at] % SESSIONS] = sessions[i]
            entered[at] += 1


def _take_pairs(states: States, positions: Longs, signals: ItemSignals, within: str | None) -> None:
    gains, blocks = growth(signals.times)
    columns = (positions, signals.items, signals.others, signals.weights, gains, blocks)
    if compiled():
        pairs = np.empty((len(positions), WIDTH), dtype=np.uint64)
        whole = (np.ascontiguousarray(column) for column in columns)
        pairs = pairs[: arrange(*whole, len(states), pairs, pairs.view(np.float32))]
        memory = states.view(np.uint8).reshape(len(states), -1)
        kinds = (memory.view(kind) for kind in (np.uint64, np.float32, np.int32))
        begin = 0 if within is None else states.dtype.fields[within][1]  # type: ignore[index]  # it has fields
        fields = FIELDS + begin // SIZES
        pair(pairs, pairs.view(np.float32), BLOCK_HALF_LIVES, *kinds, fields, NEIGHBOURS)
        return
    own = states if within is None else states[within]
    for at, *signal in zip(*columns, strict=True):
        if signal[1] != NO_KEY:
            _pair(own[at], *signal)


def growth(times: Longs) -> tuple[Floats, Longs]:
    """By what a weight of each time (n,) is larger at the begin of its block of BLOCK_MS, and the block.

    Signals of one use have one time: what is dear is done once for each.
    """
    first = np.flatnonzero(np.concatenate(([True], times[1:] != times[:-1])))
    blocks, since = np.divmod(times[first], BLOCK_MS)
    gains = np.exp2(since / RECENT_HALF_LIFE_MS).astype(np.float32)
    counts = np.diff(first, append=len(times))
    return np.repeat(gains, counts), np.repeat(blocks, counts)


def _pair(
    state: Any, item: np.uint64, other: np.uint64, said: np.float32, gain: np.float32, block: np.int64
) -> None:
    """`kernels.items.pairs.pair` of one signal, without compiled code."""
    x, late = gain * said, int(state["block"]) - int(block)
    if state["pairs"] == 0 or late < 0:
        if late < 0:
            state["recent_weights"][: state["neighbours"]] *= _power(late)
        state["block"], late = block, 0
    x *= _power(-late)
    count = int(state["neighbours"])
    if _full_of_others(state, "lasting", count, other, said):
        weights, place = state["lasting_weights"], int(np.argmin(state["lasting_weights"]))
        if _chance(int(item), int(other), int(state["pairs"])) * (float(weights[place]) + float(said)) < said:
            state["lasting"][place], weights[place] = other, weights[place] + said
    if _full_of_others(state, "recent", count, other, x):
        weights, place = state["recent_weights"], int(np.argmin(state["recent_weights"]))
        if x >= weights[place]:
            state["recent"][place], weights[place] = other, x
    state["pairs"] += 1


def _power(blocks: int) -> np.float32:
    return np.float32(math.ldexp(1.0, BLOCK_HALF_LIVES * blocks))


def _full_of_others(state: Any, name: str, count: int, other: np.uint64, x: np.float32) -> bool:
    """True where the list, of `count` others, is full without this one; otherwise x is added to its weight."""
    if len(places := np.flatnonzero(state[name][:count] == other)):
        state[f"{name}_weights"][places[0]] += x
        return False
    if count == NEIGHBOURS:
        return True
    state[name][count], state[f"{name}_weights"][count] = other, x
    state["neighbours"] = count + 1
    return False


def _chance(item: int, other: int, number: int) -> float:
    """In [0, 1): from the two items and the number of the signal among the item's."""
    h = item + other * 0xC2B2AE3D27D4EB4F + number * 0x9E3779B97F4A7C15 & WORD
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB & WORD
    return ((h ^ (h >> 31)) >> 11) * 2.0**-53
