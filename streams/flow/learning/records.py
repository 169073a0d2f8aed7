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

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sinks.base import Header, TopicRecords
from sinks.partitioning import partitions_of
from streams.events.records import SourceRecord
from streams.flow.learning.said import Said
from streams.interest.rounds import distinct
from streams.items.signals import NO_KEY, ItemSignals, Keys, Longs
from streams.recommend import Catalog
from streams.state.changelog import TopicIdentity
from streams.state.items.said import SaidOfItems

VERSION = 1
# Marks a record that says nothing of items: its value is what a worker's ranker has learned.
RANKER = "interestflow.ranker"
# Bytes of a value; a record of more events than fit is written as several. Below what every topic takes by default.
MOST_BYTES = 900_000
STREAM, PARTITION = "interestflow.signals.of", "interestflow.signals.partition"
# The columns, in order: of items, of events, of signals.
OF_ITEMS = ("<u8",)
OF_EVENTS = ("<i8", "<i8", "<u8")
OF_SIGNALS = ("<u8", "<f4", "<u4", "<u4")
NO_ROWS: Longs = np.zeros(0, dtype=np.int64)


class NoSignalsError(ValueError):
    """A record is not one of item signals."""


class SignalWriter:
    """Makes records of what batches say; it remembers in which partition the catalog's items lie."""

    def __init__(self, catalog: Catalog, topic: str) -> None:
        """topic: where the records go."""
        self._catalog, self._topic = catalog, topic
        self._count = 0
        # Of each row of the catalog.
        self._partitions: Longs = NO_ROWS

    def groups(self, said: Said, source: TopicIdentity, partition: int, count: int) -> list[TopicRecords]:
        """What a batch says, by partition of items. source, partition: what the batch is of. count: partitions.

        What is said of an item that was removed, so that nobody knows its id, is left out.
        """
        if not len(said.signals):
            return []
        numbers, of = distinct(said.signals.items.view(np.int64))
        keys = numbers.view(np.uint64)
        ids, where = self._found(keys, said.names, count)
        headers = _headers(source, partition)
        found, by_signal = list[TopicRecords](), where[of]
        # Small numbers are sorted by counting.
        order = np.argsort(by_signal.astype(np.int16), kind="stable")
        ends = np.searchsorted(by_signal[order], np.arange(-1, count), side="right").tolist()
        for number, (begin, end) in enumerate(pairwise(ends)):
            if begin < end:
                values = _values(said.signals.only(order[begin:end]), of[order[begin:end]], keys, ids)
                records = [(None, value) for value in values]
                found.append(TopicRecords(self._topic, records, number, [headers] * len(values)))
        return found

    def _found(self, keys: Keys, names: Mapping[int, str], count: int) -> tuple[list[str], Longs]:
        """(K,) id of each key, and its partition, -1 where the id is not known."""
        catalog, known = self._catalog, self._catalog.row_of_key
        if count != self._count:
            self._count, self._partitions = count, NO_ROWS
        more = [name.encode() for name in catalog.item_ids[len(self._partitions) :]]
        if more:
            self._partitions = np.concatenate((self._partitions, partitions_of(more, count)))
        rows = [known.get(key, -1) for key in keys.tolist()]
        ids = [catalog.item_ids[row] if row >= 0 else "" for row in rows]
        where: Longs = np.append(self._partitions, -1)[rows]
        for at in np.flatnonzero(where < 0).tolist() if names else ():
            if (name := names.get(int(keys[at]))) is not None:
                ids[at], where[at] = name, partitions_of([name.encode()], count)[0]
        return ids, where


def _headers(source: TopicIdentity, partition: int) -> Sequence[Header]:
    stream = f"{source.topic}/{source.topic_id}"
    return [(STREAM, stream.encode()), (PARTITION, b"%d" % partition)]


def _values(signals: ItemSignals, of: Longs, keys: Keys, ids: Sequence[str]) -> list[bytes]:
    """Records of signals in log order. of: (n,) item of each, among `keys` (K,) and `ids`."""
    value = _value(signals, of, keys, ids)
    if len(value) <= MOST_BYTES:
        return [value]
    starts = np.flatnonzero(np.diff(signals.offsets, prepend=-1))
    if len(starts) < 2:
        return [value]
    # Between two events, near the middle.
    cut = int(starts[np.clip(np.searchsorted(starts, len(of) // 2), 1, len(starts) - 1)])
    front, back = np.arange(cut), np.arange(cut, len(of))
    return [value for half in (front, back) for value in _values(signals.only(half), of[half], keys, ids)]


def _value(signals: ItemSignals, of: Longs, keys: Keys, ids: Sequence[str]) -> bytes:
    spoken = np.zeros(len(ids), dtype=bool)
    spoken[of] = True
    used, items = np.flatnonzero(spoken), (np.cumsum(spoken) - 1)[of]
    starts = np.flatnonzero(np.diff(signals.offsets, prepend=-1))
    events = np.zeros(len(of), dtype=np.uint32)
    events[starts[1:]] = 1
    events = np.cumsum(events, dtype=np.uint32)
    head = {
        "version": VERSION,
        "items": [ids[at] for at in used.tolist()],
        "events": len(starts),
        "signals": len(of),
    }
    text = orjson.dumps(head)
    text += b" " * (-(len(text) + 4) % 8)
    sessions = np.maximum.reduceat(signals.sessions, starts)
    columns: tuple[npt.NDArray[Any], ...] = (
        *(keys[used], signals.offsets[starts], signals.times[starts], sessions),
        *(signals.others, signals.weights, items, events),
    )
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
    keys, offsets, times, sessions, others, weights, items, events = columns
    _check(len(ids), offsets, items, events)
    own = np.where(others == NO_KEY, sessions[events], np.uint64(NO_KEY))
    signals = ItemSignals(keys[items], others, weights, times[events], own, offsets[events])
    of = items.astype(np.int64), events.astype(np.int64)
    return SaidOfItems(record.offset, stream, partition, ids, *of, offsets, signals)


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


def _check(ids: int, offsets: Longs, items: Longs, events: Longs) -> None:
    rising: Callable[[Longs], bool] = lambda column: bool((np.diff(column.astype(np.int64)) >= 0).all())  # noqa: E731
    if len(items) and (items.max() >= ids or events.max() >= len(offsets)):
        raise NoSignalsError("a signal is of an item or event that the record does not list")
    if not (rising(offsets) and rising(events)):
        raise NoSignalsError("the events are not in the order of the log")
