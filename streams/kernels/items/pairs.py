"""Items' states take in pairs, item by item, so that a row stays in the nearest cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

_GOLDEN, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

# Places in a row of the arrays that a list of neighbours is looked up by: it is sought by the low bits of its keys, of
# which a vector instruction compares many; its weakest is sought group by group. ROOM, no less than a list is long, is
# a number that the compiler knows, and a multiple of what it compares at once.
GROUP, ROOM = 10, 128


@helper
def _open(row: Any, at: Any, count: Any) -> None:
    """Note the keys' low bits of the list at hand. row: keys, weights, their bits, tags, groups' least bits.

    at: where the list begins in each. The last of the groups says whether they are filled in.
    """
    keys, tags, key, tag = row[0], row[3], at[0], at[2]
    for i in range(count):
        tags[tag + i] = np.int16(keys[key + i])
    for i in range(count, ROOM):
        tags[tag + i] = 0
    row[4][at[3]] = 0


@helper
def _place(row: Any, at: Any, count: Any, key: Any) -> Any:
    """Which of `count` keys this one is; -1 for none."""
    keys, tags, begin, tag = row[0], row[3], at[0], at[2]
    low, found = np.int16(key), np.int16(0)
    for i in range(ROOM):
        found |= np.int16(i + 1) if tags[tag + i] == low else np.int16(0)
    place = np.int64(found) - 1
    if place < 0 or (place < count and keys[begin + place] == key):
        return place
    # Two have the same low bits, or those of none.
    place = count - 1
    while place >= 0 and keys[begin + place] != key:
        place -= 1
    return place


@helper
def _least(bits: Any, begin: int, end: int) -> Any:
    """Weights, all above 0, are ordered as the integers of the same bits."""
    least = bits[begin]
    for i in range(begin, end):
        least = min(least, bits[i])
    return least


@helper
def _weakest(row: Any, at: Any, size: int) -> int:
    """Place of the first of the smallest weights of a full list."""
    bits, groups, begin, group = row[2], row[4], at[1], at[3] + 1
    number = (size + GROUP - 1) // GROUP
    if groups[group - 1] == 0:
        for g in range(number):
            groups[group + g] = _least(bits, begin + g * GROUP, begin + min(size, (g + 1) * GROUP))
        groups[group - 1] = 1
    least, place = _least(groups, group, group + number), 0
    while groups[group + place] != least:
        place += 1
    place *= GROUP
    while bits[begin + place] != least:
        place += 1
    return place


@helper
def _weigh(row: Any, at: Any, place: int, weight: Any, size: int) -> None:
    """Give a neighbour its weight."""
    bits, groups, begin, group = row[2], row[4], at[1], at[3] + 1 + place // GROUP
    before = bits[begin + place]
    row[1][begin + place] = weight
    if groups[at[3]] == 1 and groups[group] == before:
        first = begin + place // GROUP * GROUP
        groups[group] = _least(bits, first, min(begin + size, first + GROUP))


@helper
def _enter(row: Any, at: Any, place: int, key: Any, weight: Any, size: int) -> None:
    row[0][at[0] + place], row[3][at[2] + place] = key, np.int16(key)
    _weigh(row, at, place, weight, size)


@helper
def _chance(item: Any, other: Any, number: Any) -> float:
    """In [0, 1): from the two items and the number of the signal among the item's, so that a replay has the same."""
    h = item + other * _OTHER + number * _GOLDEN
    h = (h ^ (h >> np.uint64(30))) * _MIX_1
    h = (h ^ (h >> np.uint64(27))) * _MIX_2
    h = h ^ (h >> np.uint64(31))
    return np.float64(np.int64(h >> np.uint64(11))) * 2.0**-53


@helper
def _rescale(weights: Any, begin: int, count: Any, blocks: int, halvings: int) -> None:
    """Bring weights to the begin of a block that is so many blocks later."""
    factor = np.float32(math.ldexp(1.0, -halvings * blocks))
    for i in range(count):
        weights[begin + i] *= factor


@helper
def _lasting(row: Any, at: Any, size: int, place: Any, x: Any, signal: Any) -> None:
    """Add a weight to the full lasting list; place: of the other in it, or -1. signal: item, other, number."""
    if place >= 0:
        _weigh(row, at, place, row[1][at[1] + place] + x, size)
        return
    place = _weakest(row, at, size)
    least = row[1][at[1] + place]
    if _chance(signal[0], signal[1], signal[2]) * (np.float64(least) + np.float64(x)) < np.float64(x):
        _enter(row, at, place, signal[1], least + x, size)


@helper
def _recent(row: Any, at: Any, size: int, place: Any, x: Any, signal: Any) -> None:
    """Add a weight to the full recent list. place: of the other in the other list, and often in this one, or -1."""
    if place < 0 or row[0][at[0] + place] != signal[1]:
        place = _place(row, at, size, signal[1])
    if place >= 0:
        _weigh(row, at, place, row[1][at[1] + place] + x, size)
        return
    place = _weakest(row, at, size)
    if x >= row[1][at[1] + place]:
        _enter(row, at, place, signal[1], x, size)


@helper
def _add(row: Any, one: Any, two: Any, size: int, count: Any, weights: Any, signal: Any) -> Any:
    """Add a weight to either list; returns how many they hold: until they are full, the same in the same places."""
    place = _place(row, one, count, signal[1])
    if count == size:
        _lasting(row, one, size, place, weights[0], signal)
        _recent(row, two, size, place, weights[1], signal)
    elif place >= 0:
        row[1][one[1] + place] += weights[0]
        row[1][two[1] + place] += weights[1]
    else:
        _enter(row, one, count, signal[1], weights[0], size)
        _enter(row, two, count, signal[1], weights[1], size)
        return count + 1
    return count


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


@kernel("u8:C2 f4:C2 i8 u8:C2! f4:C2! i4:C2! i8:C1 i8")
def pair(
    pairs: Any, weights: Any, halvings: int, words: Any, floats: Any, ints: Any, fields: Any, size: int
) -> None:
    """Take pairs (n, WIDTH) into both lists of their items, as `arrange` wrote them. weights: the same memory.

    halvings: in a block. words to ints: the states' memory, (U, bytes of a state), as numbers of that kind. fields:
    where in a state the fields `pairs`, `block`, `neighbours`, `lasting`, `recent`, `lasting_weights` and
    `recent_weights` begin, each in numbers of its own kind. size: of a list.
    """
    tags, groups = np.empty(2 * ROOM, np.int16), np.zeros(2 * size + 2, np.int32)
    row = (address(words), address(floats), address(ints), address(tags), address(groups))
    before: Any = -1
    for i in range(len(pairs)):
        at, block = np.int64(pairs[i, STATE]), np.int64(pairs[i, BLOCK])
        key, weight = at * words.shape[1], at * floats.shape[1]
        one = (key + fields[3], weight + fields[5], 0, 0)
        two = (key + fields[4], weight + fields[6], ROOM, size + 1)
        count, recent = np.int64(ints[at, fields[2]]), weights[i, 2 * WEIGHTS + 1]
        if at != before:
            _open(row, one, count)
            _open(row, two, count)
        before, late = at, ints[at, fields[1]] - block
        if words[at, fields[0]] == 0:
            ints[at, fields[1]] = block
        elif late < 0:
            _rescale(row[1], two[1], count, -late, halvings)
            ints[at, fields[1]], groups[size + 1] = block, 0
        elif late > 0:
            recent *= np.float32(math.ldexp(1.0, -halvings * late))
        signal = (pairs[i, ITEM], pairs[i, OTHER], words[at, fields[0]])
        ints[at, fields[2]] = _add(row, one, two, size, count, (weights[i, 2 * WEIGHTS], recent), signal)
        words[at, fields[0]] += np.uint64(1)
