"""A record batch's bytes as columns of its records, in compiled code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from aiokafka import codec

from streams.events.columns.events import Longs
from streams.events.provenance import ORIGIN
from streams.kernels.compiling import ready
from streams.kernels.fetched import SMALLEST, WIDTH, parse

# Of a batch: base offset, length behind it, leader epoch, format, CRC, attributes, last offset, first and newest
# time, producer, its epoch, first sequence number, number of records.
_HEADER = Struct(">qiibIhiqqqhii")
_LENGTH = Struct(">i")
_LENGTH_AT, _BEHIND_LENGTH = 8, 12
_FORMAT = 2
# Of the attributes.
_CODEC, _LOG_APPEND_TIME = 0x07, 0x08
_DECODERS: dict[int, Callable[[Any], bytes]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}
_ORIGIN = np.frombuffer(ORIGIN.encode(), np.uint8)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The records of a batch. table: (WIDTH, n), see `streams.kernels.fetched.parse`; its places are in the text."""

    text: bytes
    table: Longs


def end_of(fetched: bytes, begin: int) -> int:
    """Where the batch ends that begins there."""
    (length,) = _LENGTH.unpack_from(fetched, begin + _LENGTH_AT)
    return begin + _BEHIND_LENGTH + int(length)


def parsed(fetched: bytes, begin: int, end: int) -> Parsed | None:
    """The records of the batch there; None where aiokafka must read it, or tell what is wrong with it.

    That is where nothing is compiled, in formats before 2, and where a record has headers of other kinds.
    """
    if not ready() or end - begin < _HEADER.size:
        return None
    header = _HEADER.unpack_from(fetched, begin)
    offset, _, _, form, _, attributes, _, first_time, newest_time, *_, count = header
    text, at = fetched, begin + _HEADER.size
    if form != _FORMAT:
        return None
    if kind := attributes & _CODEC:
        try:
            text = _DECODERS[kind](memoryview(fetched)[at:end])
        except Exception:  # of any codec: aiokafka meets it, too
            return None
        at, end = 0, len(text)
    if not 0 < count <= (end - at) // SMALLEST:
        return None
    table, appended = np.empty((WIDTH, count), np.int64), int(bool(attributes & _LOG_APPEND_TIME))
    time = newest_time if appended else first_time
    plain = parse(np.frombuffer(text, np.uint8), at, end, offset, time, appended, _ORIGIN, table)
    return Parsed(text, table) if plain else None
