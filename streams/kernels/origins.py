"""Reads where ingest read events, and tells those that it wrote again."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

# Of an offset and of an index, at most: a rank of both fits 63 bits.
OFFSET_DIGITS, INDEX_DIGITS = 12, 6
_SLASH, _ZERO, _NINE = (ord(character) for character in "/09")


@helper
def _number_before(buffer: Any, begin: int, end: int, digits: int) -> Any:
    """(the number that ends there, where the slash before it stands); -1 for the slash where there is none of both."""
    number, power, at = 0, 1, end - 1
    while at > begin and end - 1 - at <= digits and _ZERO <= buffer[at] <= _NINE:
        number, power, at = number + power * (buffer[at] - _ZERO), power * 10, at - 1
    good = at > begin and 0 < end - 1 - at <= digits and buffer[at] == _SLASH
    return number, (at if good else -1)


@kernel("u1:C1 i8:C2 i8 i8:C2! i8:C1!")
def read(buffer: Any, places: Any, index_bits: int, spans: Any, ranks: Any) -> bool:
    """Read n origins in the buffer; see `events.provenance.OriginHeaders`. False where one is not as written.

    places: (n, 2) begin and length of each. Written: spans (n, 2), begin and length of what stands before offset and
    index, empty for an empty origin; ranks (n,).
    """
    text = address(buffer)
    for i in range(len(places)):
        begin, length = places[i, 0], places[i, 1]
        spans[i, 0], spans[i, 1], ranks[i] = begin, 0, 0
        if length > 0:
            index, slash = _number_before(text, begin, begin + length, INDEX_DIGITS)
            offset, before = _number_before(text, begin, slash, OFFSET_DIGITS)
            if slash < 0 or before < 0 or index >> index_bits:
                return False
            spans[i, 1], ranks[i] = before - begin, offset << index_bits | index
    return True


@kernel("i8:C1 i8:C1 i8:C1!")
def sift(places: Any, ranks: Any, highest: Any) -> Any:
    """(n,) true for events whose rank is not above the highest of their place before, which is kept up to date.

    places: (n,) of each event, -1 for none.
    """
    repeated = np.zeros(len(places), np.bool_)
    for i in range(len(places)):
        place = places[i]
        if place >= 0:
            repeated[i] = ranks[i] <= highest[place]
            highest[place] = max(highest[place], ranks[i])
    return repeated
