"""Items' states take in pairs, item by item, so that a row stays in the nearest cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.items.arranging import BLOCK, ITEM, OTHER, STATE, WEIGHTS
from streams.kernels.memory import address, first_equal, prefetch

_GOLDEN, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

# Places of a list in the arrays that it is looked up by: it is sought by the low bits of its keys, and by the bits of
# its weights, which are ordered as these are, since all are above 0. No less than a list is long.
ROOM = 128
# Behind a list's last weight: larger than any.
NO_BITS = np.int32(2**31 - 1)
# Words of memory that are fetched at once.
LINE = 8


@helper
def _open(row: Any, at: Any, count: Any) -> None:
    """Note the list at hand. row: keys, weights, and of both lists the weights' bits, the weights, the keys' low bits,
    and where the weakest is, -1 where that is to be found.

    at: where the list begins among keys and weights, and in the rest; and which list it is.
    """
    keys, weights, own, tags, (key, weight, begin, which) = row[0], row[1], row[3], row[4], at
    for i in range(count):
        tags[begin + i] = np.int16(keys[key + i])
    for i in range(count, ROOM):
        tags[begin + i] = 0
    for i in range(count):
        own[begin + i] = weights[weight + i]
    row[5][which] = -1


@helper
def _place(row: Any, at: Any, count: Any, key: Any) -> Any:
    """Which of `count` keys this one is; -1 for none."""
    keys, begin = row[0], at[0]
    place = first_equal(row[4], at[2], np.int16(key))
    if place == ROOM:
        return np.int64(-1)
    if place < count and keys[begin + place] == key:
        return place
    # Two have the same low bits, or those of none.
    place = count - 1
    while place >= 0 and keys[begin + place] != key:
        place -= 1
    return place


@helper
def _weakest(row: Any, at: Any) -> Any:
    """Place of the first of the smallest weights of a full list."""
    bits, begin, known = row[2], at[2], row[5]
    if known[at[3]] < 0:
        least = bits[begin]
        for i in range(ROOM):
            least = min(least, bits[begin + i])
        known[at[3]] = first_equal(bits, begin, least)
    return known[at[3]]


@helper
def _weigh(row: Any, at: Any, place: Any, weight: Any) -> None:
    """Give a neighbour its weight."""
    row[1][at[1] + place] = row[3][at[2] + place] = weight
    if row[5][at[3]] == place:
        row[5][at[3]] = -1


@helper
def _enter(row: Any, at: Any, place: Any, key: Any, weight: Any) -> None:
    row[0][at[0] + place], row[4][at[2] + place] = key, np.int16(key)
    _weigh(row, at, place, weight)


@helper
def _chance(item: Any, other: Any, number: Any) -> float:
    """In [0, 1): from the two items and the number of the signal among the item's, so that a replay has the same."""
    h = item + other * _OTHER + number * _GOLDEN
    h = (h ^ (h >> np.uint64(30))) * _MIX_1
    h = (h ^ (h >> np.uint64(27))) * _MIX_2
    h = h ^ (h >> np.uint64(31))
    return np.float64(np.int64(h >> np.uint64(11))) * 2.0**-53


@helper
def _rescale(row: Any, at: Any, count: Any, blocks: int, halvings: int) -> None:
    """Bring weights to the begin of a block that is so many blocks later."""
    factor = np.float32(math.ldexp(1.0, -halvings * blocks))
    for i in range(count):
        _weigh(row, at, i, row[3][at[2] + i] * factor)
    # Several may be equal now.
    row[5][at[3]] = -1


@helper
def _lasting(row: Any, at: Any, place: Any, x: Any, signal: Any) -> None:
    """Add a weight to the full lasting list; place: of the other in it, or -1. signal: item, other, number."""
    if place >= 0:
        _weigh(row, at, place, row[3][at[2] + place] + x)
        return
    place = _weakest(row, at)
    least = row[3][at[2] + place]
    if _chance(signal[0], signal[1], signal[2]) * (np.float64(least) + np.float64(x)) < np.float64(x):
        _enter(row, at, place, signal[1], least + x)


@helper
def _recent(row: Any, at: Any, size: int, place: Any, x: Any, signal: Any) -> None:
    """Add a weight to the full recent list. place: of the other in the other list, and often in this one, or -1."""
    if place < 0 or row[0][at[0] + place] != signal[1]:
        place = _place(row, at, size, signal[1])
    if place >= 0:
        _weigh(row, at, place, row[3][at[2] + place] + x)
        return
    place = _weakest(row, at)
    if x >= row[3][at[2] + place]:
        _enter(row, at, place, signal[1], x)


@helper
def _add(row: Any, one: Any, two: Any, size: int, count: Any, weights: Any, signal: Any) -> Any:
    """Add a weight to either list; returns how many they hold: until they are full, the same in the same places."""
    place = _place(row, one, count, signal[1])
    if count == size:
        _lasting(row, one, place, weights[0], signal)
        _recent(row, two, size, place, weights[1], signal)
    elif place >= 0:
        _weigh(row, one, place, row[3][one[2] + place] + weights[0])
        _weigh(row, two, place, row[3][two[2] + place] + weights[1])
    else:
        _enter(row, one, count, signal[1], weights[0])
        _enter(row, two, count, signal[1], weights[1])
        return count + 1
    return count


@helper
def _scratch() -> Any:
    """The arrays that both lists are looked up by: bits, weights, low bits of keys, and where the weakest are."""
    own, tags, known = np.empty(2 * ROOM, np.float32), np.empty(2 * ROOM, np.int16), np.empty(2, np.int64)
    bits = own.view(np.int32)
    bits[:] = NO_BITS
    return bits, own, tags, known


@helper
def _addresses(words: Any, floats: Any, scratch: Any) -> Any:
    """See `_open`."""
    bits, own, tags, known = scratch
    return address(words), address(floats), address(bits), address(own), address(tags), address(known)


@helper
def _lists(row: Any, at: Any, words: Any, floats: Any, ints: Any, fields: Any) -> Any:
    """Open both lists of a state; returns how many they hold, and where each is."""
    key, weight, count = at * words.shape[1], at * floats.shape[1], np.int64(ints[at, fields[2]])
    one = (key + fields[3], weight + fields[5], 0, 0)
    two = (key + fields[4], weight + fields[6], ROOM, 1)
    _open(row, one, count)
    _open(row, two, count)
    return count, one, two


@helper
def _run(pairs: Any, begin: int, words: Any, width: int) -> int:
    """Where the pairs of the state of the one at `begin` end; what is known of the next state is fetched meanwhile."""
    at, end = pairs[begin, STATE], begin + 1
    while end < len(pairs) and pairs[end, STATE] == at:
        end += 1
    if end < len(pairs):
        first = np.int64(pairs[end, STATE]) * width
        for word in range(first, first + width, LINE):
            prefetch(words, word)
    return end


@kernel("u8:C2 f4:C2 i8 u8:C2! f4:C2! i4:C2! i8:C1 i8")
def pair(
    pairs: Any, weights: Any, halvings: int, words: Any, floats: Any, ints: Any, fields: Any, size: int
) -> None:
    """Take pairs (n, WIDTH) into both lists of their items, as `arrange` wrote them. weights: the same memory.

    halvings: in a block. words to ints: the states' memory, (U, bytes of a state), as numbers of that kind. fields:
    where in a state the fields `pairs`, `block`, `neighbours`, `lasting`, `recent`, `lasting_weights` and
    `recent_weights` begin, each in numbers of its own kind. size: of a list, at most ROOM.
    """
    scratch = _scratch()
    row, end = _addresses(words, floats, scratch), 0
    while end < len(pairs):
        begin, at = end, np.int64(pairs[end, STATE])
        count, one, two = _lists(row, at, words, floats, ints, fields)
        end = _run(pairs, begin, row[0], words.shape[1])
        for i in range(begin, end):
            block, recent = np.int64(pairs[i, BLOCK]), weights[i, 2 * WEIGHTS + 1]
            late = ints[at, fields[1]] - block
            if words[at, fields[0]] == 0:
                ints[at, fields[1]] = block
            elif late < 0:
                _rescale(row, two, count, -late, halvings)
                ints[at, fields[1]] = block
            elif late > 0:
                recent *= np.float32(math.ldexp(1.0, -halvings * late))
            signal = (pairs[i, ITEM], pairs[i, OTHER], words[at, fields[0]])
            count = _add(row, one, two, size, count, (weights[i, 2 * WEIGHTS], recent), signal)
            words[at, fields[0]] += np.uint64(1)
        ints[at, fields[2]] = count
    # What is not used any more is freed.
    scratch[0][0] = NO_BITS
