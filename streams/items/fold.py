"""Items' states take in what uses say of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from streams.items.signals import NO_KEY, Floats, ItemSignals, Keys, Longs
from streams.kernels.compiling import compiled
from streams.kernels.items.arranging import WIDTH, arrange, count
from streams.kernels.items.pairs import pair
from streams.kernels.items.uses import move, use

Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

WORD = 2**64 - 1
# What the kernel reads by its place in a row, each in numbers of its own kind.
READ = (
    *("pairs", "block", "neighbours"),
    *("lasting", "recent", "lasting_weights", "recent_weights"),
)
SIZES = np.array([ITEM_DTYPE[name].base.itemsize for name in READ], dtype=np.int64)
FIELDS = np.array([ITEM_DTYPE.fields[name][1] for name in READ], dtype=np.int64) // SIZES  # type: ignore[index]  # it has fields


@dataclass(frozen=True, slots=True)
class Run:
    """n signals of K items that come from E events, as a record has them; see ItemSignals.

    positions: (K,) state of each item; below 0 where its signals are left out. keys: (K,). items, events: (n,) place
    of each signal's item and event. others, weights: (n,). fresh: (E,) false for events whose signals are left out.
    times, sessions: (E,), the session being that of the event's use.
    """

    positions: Longs
    keys: Keys
    items: Numbers
    events: Numbers
    others: Keys
    weights: Floats
    fresh: Mask
    times: Longs
    sessions: Keys

    @classmethod
    def of(cls, positions: Longs, signals: ItemSignals) -> Run:
        """Each signal by itself. positions: (n,) state of each."""
        places, all_of_them = np.arange(len(signals), dtype=np.uint32), np.ones(len(signals), dtype=bool)
        columns = (signals.items, places, places, signals.others, signals.weights)
        of_events = (all_of_them, signals.times, signals.sessions)
        return cls(*map(np.ascontiguousarray, (positions, *columns, *of_events)))

    def counted(self) -> npt.NDArray[np.intp]:
        """Which signals are not left out."""
        return np.flatnonzero((self.positions[self.items] >= 0) & self.fresh[self.events])


def update(states: States, positions: Longs, signals: ItemSignals) -> None:
    """Fold the signals into the states (U,) of dtype ITEM_DTYPE, in place. positions: (n,) state of each signal.

    The signals of one item take effect in their order; those of different items have nothing to do with one another,
    so a state does not depend on how the signals were cut into batches.
    """
    if not len(signals):
        return
    whole = np.ascontiguousarray(states)
    take_in(whole, [Run.of(positions, signals)])
    if whole is not states:
        states[...] = whole


def take_in(states: States, runs: Sequence[Run], within: str | None = None) -> None:
    """Fold the signals of runs, one after the other, into the states (U,) of dtype ITEM_DTYPE, without gaps.

    within: the states are rows of another dtype, which hold them in this field.
    """
    own = states if within is None else states[within]
    if not compiled():
        for run in runs:
            _plainly(own, run)
        return
    begins = np.zeros(len(states) + 1, dtype=np.int64)
    uses = [count(*_who(run), begins) for run in runs]
    np.cumsum(begins, out=begins)
    pairs = np.empty((begins[-1], WIDTH), dtype=np.uint64)
    used, using, end = np.empty(sum(uses), dtype=np.int64), list[Longs](), 0
    for run, number in zip(runs, uses, strict=True):
        using.append(np.empty(number, dtype=np.int64))
        columns = (begins, run.weights, run.keys, *growth(run.times), pairs, pairs.view(np.float32))
        arrange(*_who(run), *columns, used[end : end + number], using[-1])
        end += number
    _take_uses(
        own, used, _Uses.joined([_Uses.of(run, those) for run, those in zip(runs, using, strict=True)])
    )
    if len(pairs):
        _take_pairs(states, pairs, within)


class _Uses(NamedTuple):
    """Of u uses, times, weights and sessions."""

    times: Longs
    weights: Floats
    sessions: Keys

    @classmethod
    def of(cls, run: Run, using: Longs) -> _Uses:
        """using: (u,) which of the run's signals these are."""
        events = run.events[using]
        return cls(run.times[events], run.weights[using], run.sessions[events])

    @classmethod
    def joined(cls, parts: Sequence[_Uses]) -> _Uses:
        """Those of one run behind those of another."""
        return parts[0] if len(parts) == 1 else cls(*map(np.concatenate, zip(*parts, strict=True)))


def _who(run: Run) -> tuple[Any, ...]:
    return run.positions, run.items, run.events, run.others, run.fresh


def _plainly(states: States, run: Run) -> None:
    """Take in a run without compiled code."""
    counted = run.counted()
    using = counted[run.others[counted] == NO_KEY]
    _take_uses(states, run.positions[run.items[using]], _Uses.of(run, using))
    gains, blocks = growth(run.times)
    for i in counted[run.others[counted] != NO_KEY].tolist():
        item, event = run.items[i], run.events[i]
        pair = (run.keys[item], run.others[i], run.weights[i], gains[event], blocks[event])
        _pair(states[run.positions[item]], *pair)


def _take_uses(states: States, positions: Longs, uses: _Uses) -> None:
    """positions: (u,) state of each use."""
    elapsed, lateness = np.zeros((2, len(positions)), dtype=np.int64)
    moved = (states["newest"], states["first"], states["uses"])
    (move if compiled() else _move)(positions, uses.times, *moved, elapsed, lateness)
    half_lives = np.array(HALF_LIVES_MS, dtype=np.float64)
    decays = np.exp2(-elapsed[:, None] / half_lives)
    gains = np.repeat(uses.weights[:, None].astype(np.float64), len(half_lives), axis=1)
    if len(late := np.flatnonzero(lateness)):
        gains[late] *= np.exp2(-lateness[late, None] / half_lives)
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


def _take_pairs(states: States, pairs: Keys, within: str | None) -> None:
    memory = states.view(np.uint8).reshape(len(states), -1)
    kinds = (memory.view(kind) for kind in (np.uint64, np.float32, np.int32))
    begin = 0 if within is None else states.dtype.fields[within][1]  # type: ignore[index]  # it has fields
    fields = FIELDS + begin // SIZES
    pair(pairs, pairs.view(np.float32), BLOCK_HALF_LIVES, *kinds, fields, NEIGHBOURS)


def growth(times: Longs) -> tuple[Floats, Longs]:
    """By what a weight of each time (n,) is larger at the begin of its block of BLOCK_MS, and the block."""
    # Most often there is one block, and a division of integers is dear.
    ends = {int(end) // BLOCK_MS for end in (times.min(), times.max())} if len(times) else set[int]()
    blocks = np.full(len(times), ends.pop(), dtype=np.int64) if len(ends) == 1 else times // BLOCK_MS
    gains: Floats = np.exp2((times - blocks * BLOCK_MS) / RECENT_HALF_LIFE_MS).astype(np.float32)
    return gains, blocks


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
