"""Writes what batches say of items as records, by partition of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sinks.base import Header, TopicRecords
from sinks.partitioning import partitions_of
from streams.flow.learning.records import PARTITION, STREAM, value_of
from streams.flow.learning.said import Said
from streams.items.signals import NO_KEY, Floats, ItemSignals, Keys, Longs
from streams.items.slots import Rows, Slots
from streams.kernels.compiling import compiled
from streams.kernels.items.records import spread
from streams.recommend import Catalog
from streams.state.changelog import TopicIdentity

# Bytes of a value; a record of more events than fit is written as several. Below what every topic takes by default.
MOST_BYTES = 900_000
NO_ROWS: Rows = np.zeros(0, dtype=np.int32)
Numbers = npt.NDArray[np.uint32]


class _Part(NamedTuple):
    """Of the signals of one partition (n,), in log order: the columns of its record, and more.

    heads: (K,) index of the first signal of each item. first: (E,) of each event. sessions: (U,) of the uses.
    """

    partition: int
    heads: Longs
    first: Longs
    sessions: Keys
    others: Keys
    weights: Floats
    item_of: Numbers
    event_of: Numbers


class SignalWriter:
    """Makes records of what batches say; it remembers in which partition the catalog's items lie."""

    def __init__(self, catalog: Catalog, topic: str) -> None:
        """topic: where the records go."""
        self._catalog, self._topic = catalog, topic
        self._count, self._slots = 0, Slots()
        # Of each row of the catalog.
        self._partitions: Rows = NO_ROWS

    def groups(self, said: Said, source: TopicIdentity, partition: int, count: int) -> list[TopicRecords]:
        """What a batch says, by partition of items. source, partition: what the batch is of. count: partitions.

        What is said of an item that was removed, so that nobody knows its id, is left out.
        """
        if not len(said.signals):
            return []
        self._follow(count)
        rows, missing = self._slots.rows(said.signals.items)
        names, where = self._unknown(said, rows, count) if missing else ([], self._partitions)
        headers, found = _headers(source, partition), dict[int, list[bytes]]()
        for number, value in self._values(said.signals, rows, where, names):
            found.setdefault(number, []).append(value)
        return [
            TopicRecords(self._topic, [(None, value) for value in values], number, [headers] * len(values))
            for number, values in found.items()
        ]

    def _follow(self, count: int) -> None:
        """Take in what came into the catalog."""
        if count != self._count:
            self._count, self._partitions = count, NO_ROWS
        if more := [name.encode() for name in self._catalog.item_ids[len(self._partitions) :]]:
            self._partitions = np.append(self._partitions, partitions_of(more, count).astype(np.int32))
            self._slots.enter(self._catalog.keys[len(self._slots) :])

    def _unknown(self, said: Said, rows: Rows, count: int) -> tuple[list[str], Rows]:
        """Give signals of items that the catalog does not hold rows behind it; -1 where the id is not known.

        Returns these ids, and the partitions of all rows.
        """
        names = list(said.names.values())
        row_of = {key: row for row, key in enumerate(said.names, len(self._partitions))}
        missing = np.flatnonzero(rows < 0)
        rows[missing] = [row_of.get(key, -1) for key in said.signals.items[missing].tolist()]
        more = partitions_of([name.encode() for name in names], count) if names else NO_ROWS
        return names, np.append(self._partitions, more.astype(np.int32))

    def _values(
        self, signals: ItemSignals, rows: Rows, where: Rows, names: Sequence[str]
    ) -> Iterator[tuple[int, bytes]]:
        """Records, each with its partition. names: ids of the rows behind the catalog's."""
        for part in _parts(signals, rows, where, self._count):
            value = self._value(signals, part, rows, names)
            if len(value) <= MOST_BYTES or len(part.first) < 2:
                yield part.partition, value
                continue
            # Between two events, near the middle.
            own = np.append(where, -1)[rows] == part.partition
            front = np.arange(len(rows)) < part.first[len(part.first) // 2]
            for half in (own & front, own & ~front):
                yield from self._values(signals, np.where(half, rows, np.int32(-1)), where, names)

    def _value(self, signals: ItemSignals, part: _Part, rows: Rows, names: Sequence[str]) -> bytes:
        ids, known, heads = self._catalog.item_ids, len(self._partitions), rows[part.heads]
        # Most often all are in the catalog.
        id_of = ids.__getitem__ if heads.max() < known else (ids[:known] + list(names)).__getitem__
        found = list(map(id_of, heads.tolist()))
        of_events = signals.offsets[part.first], signals.times[part.first]
        return value_of(found, signals.items[part.heads], of_events, part.sessions, part[4:])


def _headers(source: TopicIdentity, partition: int) -> Sequence[Header]:
    stream = f"{source.topic}/{source.topic_id}"
    return [(STREAM, stream.encode()), (PARTITION, b"%d" % partition)]


def _parts(signals: ItemSignals, rows: Rows, where: Rows, count: int) -> Iterator[_Part]:
    """The signals by partition. rows: (n,) of their items, -1 to leave one out. where: (R,) partition of each row."""
    if not compiled():
        yield from _plainly(signals, rows, where)
        return
    columns = (signals.others, signals.weights, signals.sessions, signals.offsets)
    begins, items, events, uses, *found = spread(rows, where, count, *map(np.ascontiguousarray, columns))
    for number, (begin, end) in enumerate(pairwise(begins.tolist())):
        if begin < end:
            ends = (begin + items[number], begin + events[number], begin + uses[number], *[end] * 4)
            yield _Part(number, *(column[begin:last] for column, last in zip(found, ends, strict=True)))


def _plainly(signals: ItemSignals, rows: Rows, where: Rows) -> Iterator[_Part]:
    """The same without compiled code."""
    parts = np.append(where, np.int32(-1))[rows]
    for number in np.unique(parts[parts >= 0]).tolist():
        own = np.flatnonzero(parts == number)
        first = np.flatnonzero(np.diff(signals.offsets[own], prepend=-1))
        events = np.repeat(np.arange(len(first), dtype=np.uint32), np.diff(first, append=len(own)))
        heads, items = _heads(rows[own])
        sessions = signals.sessions[own][signals.others[own] == NO_KEY]
        columns = (signals.others[own], signals.weights[own], items.astype(np.uint32), events)
        yield _Part(number, own[heads], own[first], sessions, *columns)


def _heads(values: Rows) -> tuple[Longs, Longs]:
    """Index of the first of each distinct value (K,), in order, and (n,) which of them each is."""
    _, first, of = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[of]
