"""Names in a buffer of bytes: which are the same, and the key of an event's id."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address, word

# In place of a row: of an empty name, and of one that a table has not.
NO_NAME, NOT_THERE = -1, -3
# Of a slot of a table.
WIDTH = 4

# XXH3-64 of up to 128 bytes, after the specification in the xxHash repository (doc/xxhash_spec.md).
_SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    ),
    np.uint8,
)
_PRIME_1, _PRIME_2 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3 = np.uint64(0x165667B19E3779F9)
_MIX_1, _MIX_2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW = np.uint64(0xFFFFFFFF)


@helper
def _u64(number: int) -> Any:
    return np.uint64(number)


@helper
def _word(buffer: Any, at: int, size: int) -> Any:
    """`size` bytes as a little-endian number."""
    found = _u64(0)
    for i in range(size):
        found |= _u64(buffer[at + i]) << _u64(8 * i)
    return found


@helper
def _long(buffer: Any, at: int) -> Any:
    return _word(buffer, at, 8)


@helper
def _folded(a: Any, b: Any) -> Any:
    """The upper half of the product's 128 bits XOR its lower half."""
    half = _u64(32)
    low_low, low_high = (a & _LOW) * (b & _LOW), (a & _LOW) * (b >> half)
    high_low, high_high = (a >> half) * (b & _LOW), (a >> half) * (b >> half)
    cross = (low_low >> half) + (high_low & _LOW) + low_high
    upper = (high_low >> half) + (cross >> half) + high_high
    return upper ^ ((cross << half) | (low_low & _LOW))


@helper
def _avalanche(h: Any) -> Any:
    h = (h ^ (h >> _u64(37))) * _MIX_1
    return h ^ (h >> _u64(32))


@helper
def _turned(h: Any, bits: int) -> Any:
    return (h << _u64(bits)) | (h >> _u64(64 - bits))


@helper
def _swapped(word: Any) -> Any:
    """The eight bytes in the opposite order."""
    found = _u64(0)
    for i in range(8):
        found |= ((word >> _u64(8 * i)) & _u64(0xFF)) << _u64(56 - 8 * i)
    return found


@helper
def _of_few(name: Any, n: int, seed: Any) -> Any:
    """Of up to 16 bytes; of none nothing that counts."""
    if n == 0:
        return seed
    if n <= 3:
        whole = (_u64(name[0]) << _u64(16)) | (_u64(name[n >> 1]) << _u64(24)) | _u64(name[n - 1])
        h = (whole | (_u64(n) << _u64(8))) ^ ((_word(_SECRET, 0, 4) ^ _word(_SECRET, 4, 4)) + seed)
        h = (h ^ (h >> _u64(33))) * _PRIME_2
        h = (h ^ (h >> _u64(29))) * _PRIME_3
        return h ^ (h >> _u64(32))
    if n <= 8:
        seed ^= _swapped(seed & _LOW) & ~_LOW
        flip = (_long(_SECRET, 8) ^ _long(_SECRET, 16)) - seed
        h = (_word(name, n - 4, 4) + (_word(name, 0, 4) << _u64(32))) ^ flip
        h = (h ^ _turned(h, 49) ^ _turned(h, 24)) * _MIX_2
        h = (h ^ ((h >> _u64(35)) + _u64(n))) * _MIX_2
        return h ^ (h >> _u64(28))
    low = _long(name, 0) ^ ((_long(_SECRET, 24) ^ _long(_SECRET, 32)) + seed)
    high = _long(name, n - 8) ^ ((_long(_SECRET, 40) ^ _long(_SECRET, 48)) - seed)
    return _avalanche(_u64(n) + _swapped(low) + high + _folded(low, high))


@helper
def _mixed(name: Any, at: int, secret: int, seed: Any) -> Any:
    first, second = _long(_SECRET, secret) + seed, _long(_SECRET, secret + 8) - seed
    return _folded(_long(name, at) ^ first, _long(name, at + 8) ^ second)


@helper
def _of_more(name: Any, n: int, seed: Any) -> Any:
    """Of 17 to 128 bytes: in pairs of 16 bytes from both ends."""
    total = _u64(n) * _PRIME_1
    for pair in range((n - 1) // 32 + 1):
        total += _mixed(name, 16 * pair, 32 * pair, seed)
        total += _mixed(name, n - 16 * (pair + 1), 32 * pair + 16, seed)
    return _avalanche(total)


@kernel("u1:C1 i8:A2 i8:A2 u8:C1")
def keys(buffer: Any, ids: Any, sources: Any, seeds: Any) -> Any:
    """(n,) `state.users.duplicates.event_key` of each event.

    ids, sources: (n, 2) begin and length in the buffer of each event's id and source; together at most
    `records.LONGEST_KEY` bytes. seeds: (n,) of the topics.
    """
    n = len(ids)
    found, name = np.empty(n, np.uint64), np.empty(128, np.uint8)
    for i in range(n):
        length = sources[i, 1]
        for j in range(length):
            name[j] = buffer[sources[i, 0] + j]
        if length:
            name[length] = 0
            length += 1
        for j in range(ids[i, 1]):
            name[length + j] = buffer[ids[i, 0] + j]
        length += ids[i, 1]
        key = _of_few(name, length, seeds[i]) if length <= 16 else _of_more(name, length, seeds[i])
        found[i] = key if key != _u64(0) else _u64(1)
    return found


@helper
def _hash(buffer: Any, at: int, length: int) -> Any:
    h = _u64(length)
    words = length >> 3
    for i in range(words):
        h = (h ^ word(buffer, at + 8 * i)) * _PRIME_1
        h ^= h >> _u64(29)
    h = (h ^ _word(buffer, at + 8 * words, length & 7)) * _PRIME_2
    return h ^ (h >> _u64(32))


@helper
def _same(one: Any, at: int, other: Any, place: int, length: int) -> bool:
    i = 0
    while i < length and one[at + i] == other[place + i]:
        i += 1
    return i == length


@helper
def _slot(slots: Any, mask: Any, name: Any, begin: int, length: int, letters: Any, h: Any) -> Any:
    """Where the name stands in a table, or would stand."""
    slot = h & mask
    while True:
        at = slot * _u64(WIDTH)
        if slots[at + _u64(2)] == 0:
            return at
        same = slots[at] == np.int64(h) and slots[at + _u64(2)] == length
        if same and _same(name, begin, letters, slots[at + _u64(1)], length):
            return at
        slot = (slot + _u64(1)) & mask


@kernel("u1:C1 i8:A2 i8:C2 u1:C1")
def find(buffer: Any, spans: Any, slots: Any, letters: Any) -> Any:
    """(n,) the row of each name in a table, NO_NAME for an empty name, NOT_THERE for others.

    spans: (n, 2) begin and length of each in the buffer. slots: (m, WIDTH) hash, begin and length in `letters`, and
    row of a name; length 0 where there is none. m: a power of two.
    """
    found, mask = np.empty(len(spans), np.int64), _u64(len(slots) - 1)
    name, table, known = address(buffer), address(slots), address(letters)
    for i in range(len(spans)):
        begin, length = spans[i, 0], spans[i, 1]
        found[i] = NO_NAME
        if length > 0:
            at = _slot(table, mask, name, begin, length, known, _hash(name, begin, length))
            found[i] = table[at + _u64(3)] if table[at + _u64(2)] > 0 else NOT_THERE
    return found


@kernel("u1:C1 i8:C2 i8:C1 i8:C2!")
def enter(letters: Any, spans: Any, rows: Any, slots: Any) -> None:
    """Enter names into a table with room for them; see `find`. spans: (n, 2) in `letters`. rows: (n,)."""
    mask, table, known = _u64(len(slots) - 1), address(slots), address(letters)
    for i in range(len(spans)):
        begin, length = spans[i, 0], spans[i, 1]
        h = _hash(known, begin, length)
        at = _slot(table, mask, known, begin, length, known, h)
        table[at], table[at + _u64(1)] = np.int64(h), begin
        table[at + _u64(2)], table[at + _u64(3)] = length, rows[i]


@kernel("u1:C1 i8:A2")
def distinct(buffer: Any, spans: Any) -> Any:
    """The places (m,) of the distinct names by first appearance, and (n,) which of them each name is.

    spans: (n, 2) begin and length in the buffer of each name.
    """
    n, text = len(spans), address(buffer)
    size = 4
    while size < 2 * n:
        size *= 2
    slots, mask = np.full(size, -1, np.int64), _u64(size - 1)
    places, hashes, number_of = np.empty(n, np.int64), np.empty(n, np.uint64), np.empty(n, np.int64)
    known = 0
    for i in range(n):
        begin, length = spans[i, 0], spans[i, 1]
        h = _hash(text, begin, length)
        slot = h & mask
        while slots[slot] >= 0:
            first = places[slots[slot]]
            if (
                hashes[slots[slot]] == h
                and spans[first, 1] == length
                and _same(text, spans[first, 0], text, begin, length)
            ):
                break
            slot = (slot + _u64(1)) & mask
        if slots[slot] < 0:
            slots[slot], places[known], hashes[known] = known, i, h
            known += 1
        number_of[i] = slots[slot]
    return places[:known], number_of
