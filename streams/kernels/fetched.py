"""Reads the records of a Kafka record batch (format 2) from its bytes into columns.

A record is plain where it has no headers, or the origin that ingest writes as its only one. Of others nothing is
said, nor of what is damaged: the client's own parser reads them, or tells what is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel
from streams.kernels.memory import address

# The rows of a table. A place is where something begins in the buffer. Lengths: -1 for no key and for no value, 0 for
# no origin.
OFFSET, TIME, KEY, KEY_LENGTH, VALUE, VALUE_LENGTH, ORIGIN, ORIGIN_LENGTH, APPENDED = range(9)
WIDTH = 9
# Those that are places.
PLACES = (KEY, VALUE, ORIGIN)
# Of a record at least: its length, attributes, time, offset, the lengths of key and value, the number of headers.
SMALLEST = 7
_LAST_SHIFT = 63


@helper
def _number(buffer: Any, at: int, end: int) -> Any:
    """(the number in zigzag there, where it ends); -1 for the end where there is none."""
    found, shift = np.uint64(0), 0
    while at < end and shift <= _LAST_SHIFT:
        one = buffer[at]
        found |= np.uint64(one & 127) << np.uint64(shift)
        at += 1
        if one < 128:
            return np.int64(found >> np.uint64(1)) ^ -np.int64(found & np.uint64(1)), at
        shift += 7
    return np.int64(0), -1


@helper
def _bytes(buffer: Any, at: int, end: int) -> Any:
    """(where the bytes there begin, their length or -1, where they end); -1 for the end where there are none."""
    length, begin = _number(buffer, at, end)
    if begin < 0 or length > end - begin:
        return at, -1, -1
    return begin, max(length, -1), begin + max(length, 0)


@helper
def _origin(buffer: Any, at: int, end: int, name: Any, size: int) -> Any:
    """(where the origin begins, its length, where the headers end); -1 for the end where they are not plain.

    name: of its header.
    """
    count, first = _number(buffer, at, end)
    if first >= 0 and count == 0:
        return first, 0, first
    begin, length, after = _bytes(buffer, first, end)
    if first < 0 or count != 1 or after < 0 or length != size:
        return at, 0, -1
    for i in range(size):
        if buffer[begin + i] != name[i]:
            return at, 0, -1
    begin, length, after = _bytes(buffer, after, end)
    return begin, length, (after if length > 0 else -1)


@helper
def _record(buffer: Any, at: int, end: int, name: Any, size: int, table: Any, n: int, i: int) -> int:
    """Write record i of n, times and offsets as they stand there. Where it ends; -1 where it is not plain."""
    length, first = _number(buffer, at, end)
    if first < 0 or length < SMALLEST - 1 or length > end - first or buffer[first] != 0:
        return -1
    end = first + length
    table[TIME * n + i], at = _number(buffer, first + 1, end)
    if at < 0:
        return -1
    table[OFFSET * n + i], at = _number(buffer, at, end)
    if at < 0:
        return -1
    table[KEY * n + i], table[KEY_LENGTH * n + i], at = _bytes(buffer, at, end)
    if at < 0:
        return -1
    table[VALUE * n + i], table[VALUE_LENGTH * n + i], at = _bytes(buffer, at, end)
    if at < 0:
        return -1
    table[ORIGIN * n + i], table[ORIGIN_LENGTH * n + i], at = _origin(buffer, at, end, name, size)
    return at if at == end else -1


@kernel("u1:C1 i8 i8 i8 i8 i8 u1:C1 i8:C2!")
def parse(
    buffer: Any, at: int, end: int, offset: int, time: int, appended: int, name: Any, table: Any
) -> bool:
    """Read the records that stand from `at` to `end`. False where they are not plain or not n.

    offset: of the batch. time: of its first record, or of all where `appended` is 1. name: of the origin's header.
    Written: table (WIDTH, n).
    """
    n = table.shape[1]
    text, header, cells = address(buffer), address(name), address(table)
    for i in range(n):
        at = _record(text, at, end, header, len(name), cells, n, i)
        if at < 0:
            return False
        table[OFFSET, i] += offset
        table[TIME, i] = time if appended else time + table[TIME, i]
        table[APPENDED, i] = appended
    return at == end
