"""Writes records that are alike but for a name, some numbers and a row of bytes in base64."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

# Characters of a number at most, with its sign.
LONGEST_NUMBER = 20
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
_ZERO, _MINUS = ord("0"), ord("-")


@helper
def _copy(source: Any, begin: int, end: int, out: Any, at: int) -> int:
    """Where the copy ends."""
    for i in range(end - begin):
        out[at + i] = source[begin + i]
    return at + end - begin


@helper
def _number(number: int, out: Any, at: int) -> int:
    """Write a whole number; where it ends."""
    left = np.uint64(number)
    if number < 0:
        out[at], left = _MINUS, np.uint64(0) - left
        at += 1
    digits, rest = 1, left
    while rest >= np.uint64(10):
        rest //= np.uint64(10)
        digits += 1
    for i in range(digits):
        tens = left // np.uint64(10)
        out[at + digits - 1 - i] = np.int64(left - tens * np.uint64(10)) + _ZERO
        left = tens
    return at + digits


@helper
def _base64(source: Any, begin: int, size: int, out: Any, at: int) -> int:
    """Write bytes in base64, without padding; where it ends."""
    whole = size // 3
    for i in range(whole):
        place = begin + 3 * i
        three = np.uint32(source[place]) << np.uint32(16)
        three |= np.uint32(source[place + 1]) << np.uint32(8) | np.uint32(source[place + 2])
        to = at + 4 * i
        out[to], out[to + 1] = (
            _LETTERS[three >> np.uint32(18)],
            _LETTERS[three >> np.uint32(12) & np.uint32(63)],
        )
        out[to + 2] = _LETTERS[three >> np.uint32(6) & np.uint32(63)]
        out[to + 3] = _LETTERS[three & np.uint32(63)]
    at, place, left = at + 4 * whole, begin + 3 * whole, size - 3 * whole
    if left:
        second = source[place + 1] if left == 2 else 0
        out[at], out[at + 1] = _LETTERS[source[place] >> 2], _LETTERS[(source[place] & 3) << 4 | second >> 4]
        if left == 2:
            out[at + 2] = _LETTERS[(second & 15) << 2]
        at += left + 1
    return at


@kernel("u1:C1 i8:C1 u1:C1 i8:C1 i8:C2 u1:C2 u1:C1! i8:C1!")
def fill(
    pieces: Any, piece_ends: Any, names: Any, name_ends: Any, numbers: Any, rows: Any, out: Any, ends: Any
) -> None:
    """Write n records one behind the other: a piece, the name, a piece, each of k numbers and a piece, bytes, a piece.

    pieces: k + 3, one behind the other; piece_ends: where each ends. names: so, too, with n name_ends. numbers:
    (n, k). rows: (n, size) bytes. Written: out, with room for all; ends (n,), where each record ends.
    """
    text, fixed, called, given = address(out), address(pieces), address(names), address(rows)
    at, begin, size, count = 0, 0, rows.shape[1], numbers.shape[1]
    for i in range(len(name_ends)):
        at = _copy(fixed, 0, piece_ends[0], text, at)
        at = _copy(called, begin, name_ends[i], text, at)
        begin = name_ends[i]
        at = _copy(fixed, piece_ends[0], piece_ends[1], text, at)
        for j in range(count):
            at = _number(numbers[i, j], text, at)
            at = _copy(fixed, piece_ends[j + 1], piece_ends[j + 2], text, at)
        at = _base64(given, i * size, size, text, at)
        at = _copy(fixed, piece_ends[count + 1], piece_ends[count + 2], text, at)
        ends[i] = at
