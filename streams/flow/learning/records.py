"""Item signals as records of their topic: per partition of items one record of columns, and back.

A value is, all little-endian: the length of a JSON object (uint32), the object, filled up with spaces so that what
follows begins at a multiple of 8; then the columns. The object is `{"version", "items", "events", "signals"}`: the ids
of the items that are spoken of, and the numbers E and n.

- of each item, its key (uint64), BLAKE2b-64 of the id;
- of each of the E events, its offset (int64), rising; its time in milliseconds (int64); and the key of its session
  (uint64), 0 where the record does not tell of its use;
- of each of the n signals, the key of the other item (uint64), 0 for a use; its weight (float32); the place of its item
  in the list (uint32); and the place of its event (uint32), rising.

Headers say of which partition of which canonical topic the offsets are. All signals of one event and one partition of
items stand in one record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sinks.base import TopicRecords
from streams.events.records import SourceRecord
from streams.items.fold import Numbers
from streams.kernels.compiling import compiled
from streams.kernels.items.arranging import in_order
from streams.state.items.said import SaidOfItems

VERSION = 1
# Marks a record that says nothing of items: its value is what a worker's ranker has learned.
RANKER = "interestflow.ranker"
STREAM, PARTITION = "interestflow.signals.of", "interestflow.signals.partition"
# The columns, in order: of items, of events, of signals.
OF_ITEMS = ("<u8",)
OF_EVENTS = ("<i8", "<i8", "<u8")
OF_SIGNALS = ("<u8", "<f4", "<u4", "<u4")


class NoSignalsError(ValueError):
    """A record is not one of item signals."""


def value_of(ids: Sequence[str], columns: Sequence[npt.NDArray[Any]]) -> bytes:
    """A record's value. ids: (K,) of the items. columns: in order, those of items, of events and of signals."""
    head = {"version": VERSION, "items": ids, "events": len(columns[1]), "signals": len(columns[-1])}
    text = orjson.dumps(head)
    text += b" " * (-(len(text) + 4) % 8)
    kinds = (*OF_ITEMS, *OF_EVENTS, *OF_SIGNALS)
    packed = [column.astype(kind, copy=False).tobytes() for column, kind in zip(columns, kinds, strict=True)]
    return b"".join((len(text).to_bytes(4, "little"), text, *packed))


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
        stream, partition = headers[STREAM].decode(), int(headers[PARTITION])
        ids, columns = _columns(record.value or b"")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise NoSignalsError(f"no record of item signals: {error!r}"[:200]) from error
    found = SaidOfItems(record.offset, stream, partition, ids, *columns)
    _check(found)
    return found


def _columns(value: bytes) -> tuple[list[str], list[npt.NDArray[Any]]]:
    size = int.from_bytes(value[:4], "little")
    head = orjson.loads(value[4 : 4 + size])
    if head["version"] != VERSION:
        raise ValueError(f"version {head['version']}")
    ids, at, columns = list(map(str, head["items"])), 4 + size, list[npt.NDArray[Any]]()
    counts = (len(ids), head["events"], head["signals"])
    for kinds, count in zip((OF_ITEMS, OF_EVENTS, OF_SIGNALS), counts, strict=True):
        for kind in kinds:
            columns.append(np.frombuffer(value, kind, count, at))
            at += columns[-1].nbytes
    if at != len(value):
        raise ValueError(f"{len(value)} bytes, not {at}")
    return ids, columns


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
