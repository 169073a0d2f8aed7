"""Item signals as records of their topic: per partition of items one record of columns, and back.

A value is, all little-endian: the length of a JSON object (uint32), the object, filled up with spaces so that what
follows begins at a multiple of 8; then the columns. The object is `{"version", "items", "events", "signals", "uses",
"others", "weights", "first", "begin", "wide"}`: the ids of the K items that are spoken of, the numbers E, n, U, M and
W, and the offset and the time, milliseconds, that the events' are counted from. The columns, where a number of items,
events, others or weights is a uint8, uint16 or uint32, whichever first holds how many of them there are:

- of each item, its key (uint64), BLAKE2b-64 of the id;
- of each use, the key of its session (uint64);
- the keys of M other items (uint64);
- of each of the E events, its offset, rising; and its time: from the first offset and from the begin on, uint32, or
  uint64 where `wide` is true;
- W weights (float32);
- of each of the n signals, the number of the other item, from 1 on, 0 for a use; of its weight, from 0 on; the place of
  its item in the list; and the place of its event, rising.

Version 1 is read, too. Its object has the first four names alone, and its columns are: of each item its key; of each
event its offset and time (int64) and the key of its session (uint64), 0 for none; of each signal the key of the other
item (uint64), 0 for a use, its weight (float32), and the places of its item and event (uint32).

Headers say of which partition of which canonical topic the offsets are. All signals of one event and one partition of
items stand in one record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.base import TopicRecords
from streams.events.records import SourceRecord
from streams.events.rejections import LATEST_MS
from streams.flow.learning import checking
from streams.flow.learning.packed import pack, unpack, unpack_head
from streams.items.fold import Numbers
from streams.items.signals import Floats, Keys, Longs
from streams.kernels.compiling import compiled
from streams.kernels.items.arranging import in_order
from streams.kernels.items.records import number
from streams.state.items.said import SaidOfItems

VERSION = 2
# Marks a record that says nothing of items: its value is what a worker's ranker has learned.
RANKER = "interestflow.ranker"
STREAM, PARTITION = "interestflow.signals.of", "interestflow.signals.partition"
# The columns of version 1, in order: of items, of events, of signals.
OF_ITEMS = ("<u8",)
OF_EVENTS = ("<i8", "<i8", "<u8")
OF_SIGNALS = ("<u8", "<f4", "<u4", "<u4")
# What there are of in a record, beside items, and how far an offset or a time may be from the first to be narrow.
COUNTS = ("events", "signals", "uses", "others", "weights")
NARROW = 2**32


class NoSignalsError(ValueError):
    """A record is not one of item signals."""


def value_of(
    ids: Sequence[str],
    keys: Keys,
    of_events: tuple[Longs, Longs],
    sessions: Keys,
    signals: tuple[Keys, Floats, Numbers, Numbers],
) -> bytes:
    """A record's value. ids, keys: (K,) of the items. of_events: (E,) offsets and times. sessions: (U,) of the uses.

    signals: (n,) the keys of the others, the weights, and the places of items and events.
    """
    others, weights, items, events = signals
    table, of_others = _numbered(others)
    bits, of_weights = _numbered(weights.view(np.uint32).astype(np.uint64))
    begins = [int(column.min()) for column in of_events]
    wide = any(int(column.max()) - begin >= NARROW for column, begin in zip(of_events, begins, strict=True))
    counted = len(of_events[0]), len(items), len(sessions), len(table), len(bits)
    counts = dict(zip(COUNTS, counted, strict=True))
    since = (column - begin for column, begin in zip(of_events, begins, strict=True))
    columns: list[npt.NDArray[Any]] = [keys, sessions, table, *since, bits.astype(np.uint32).view(np.float32)]
    columns += [of_others, of_weights - np.uint32(1), items, events]
    head = {"version": VERSION, "items": ids, **counts, "first": begins[0], "begin": begins[1], "wide": wide}
    kinds = [kind for kind, _ in _layout(len(ids), head)]
    return pack(head, zip(kinds, columns, strict=True))


def _layout(items: int, head: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Kind and length of each column of version 2."""
    events, signals, uses, others, weights = (checking.whole(head[name], 0, NARROW) for name in COUNTS)
    since = "<u8" if head["wide"] else "<u4"
    columns = [
        ("<u8", items),
        ("<u8", uses),
        ("<u8", others),
        (since, events),
        (since, events),
        ("<f4", weights),
    ]
    return columns + [(_kind(count), signals) for count in (others + 1, weights, items, events)]


def _kind(count: int) -> str:
    """Of numbers from 0 on, so many."""
    return "<u1" if count <= 1 << 8 else "<u2" if count <= 1 << 16 else "<u4"


def _numbered(values: Keys) -> tuple[Keys, Numbers]:
    """The distinct values other than 0 as they first appear, and the number of each of all (n,), from 1 on; 0 for 0."""
    found, of = np.empty(len(values), dtype=np.uint64), np.empty(len(values), dtype=np.uint32)
    if compiled():
        size = 1 << (2 * len(values)).bit_length()
        slots = np.zeros(size, dtype=np.uint64), np.empty(size, dtype=np.uint32)
        return found[: number(np.ascontiguousarray(values), *slots, found, of)], of
    number_of: dict[int, int] = {0: 0}
    of[:] = [number_of.setdefault(value, len(number_of)) for value in values.tolist()]
    return np.array(list(number_of)[1:], dtype=np.uint64), of


def ranker_sums(topic: str, partition: int, sums: bytes) -> TopicRecords:
    """What a worker's ranker has learned, as a record of the topic of signals."""
    return TopicRecords(topic, [(None, sums)], partition, [[(RANKER, b"")]])


def read_ranker_sums(record: SourceRecord) -> bytes | None:
    """What a ranker has learned; None of a record that is something else."""
    return record.value if any(name == RANKER for name, _ in record.headers) else None


def read_signals(record: SourceRecord) -> SaidOfItems:
    """What a record says. Raises NoSignalsError where it is none of these."""
    try:
        headers = dict(record.headers)
        stream = checking.stream(headers, STREAM)
        partition = checking.header(headers, PARTITION, checking.LARGEST_PARTITION)
        ids, columns = _columns(record.value or b"")
    except checking.UNREADABLE as error:
        raise NoSignalsError(f"no record of item signals: {error!r}"[:200]) from error
    found = SaidOfItems(record.offset, stream, partition, ids, *columns)
    _check(found)
    return found


def _columns(value: bytes) -> tuple[list[str], list[Any]]:
    """The ids, and what else a SaidOfItems has of items, events and signals."""
    head, begin = unpack_head(value)
    ids, version = checking.names(head["items"]), head["version"]
    if version not in (1, VERSION):
        raise ValueError(f"version {version}")
    if version == VERSION:
        return ids, _widened(head, unpack(value, begin, _layout(len(ids), head)))
    counts = zip((OF_ITEMS, OF_EVENTS, OF_SIGNALS), (len(ids), head["events"], head["signals"]), strict=True)
    found = unpack(value, begin, [(kind, count) for kinds, count in counts for kind in kinds])
    _, offsets, times, _, _, weights, *_ = found
    for column, most in ((offsets, checking.LARGEST), (times, LATEST_MS)):
        if len(column) and not 0 <= column.min() <= column.max() <= most:
            raise ValueError(f"a number of an event is below 0 or above {most}")
    checking.weights(weights)
    return ids, found


def _widened(head: Mapping[str, Any], columns: Sequence[npt.NDArray[Any]]) -> list[Any]:
    """The columns of version 2 as those of version 1."""
    keys, told, table, offsets, times, weights, *of = columns
    of_others, of_weights, items, events = of
    others = np.append(np.zeros(1, dtype=np.uint64), table)[of_others]
    sessions = np.zeros(len(offsets), dtype=np.uint64)
    sessions[events[of_others == 0]] = told
    since = checking.since(head["first"], offsets), checking.since(head["begin"], times, LATEST_MS)
    found = checking.weights(weights)[of_weights]
    return [keys, *since, sessions, others, found, items.astype("<u4"), events.astype("<u4")]


def _check(said: SaidOfItems) -> None:
    if not (np.diff(said.offsets) >= 0).all():
        raise NoSignalsError("the events are not in the order of the log")
    counts = len(said.ids), len(said.offsets)
    if not (in_order if compiled() else _in_order)(said.items, said.events, *counts):
        raise NoSignalsError("a signal is of an item or event that the record does not list, or out of order")


def _in_order(items: Numbers, events: Numbers, item_count: int, event_count: int) -> bool:
    """`kernels.items.arranging.in_order` without compiled code."""
    listed = not len(items) or bool(items.max() < item_count and events.max() < event_count)
    return listed and bool((np.diff(events.astype(np.int64)) >= 0).all())
