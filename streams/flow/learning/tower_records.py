"""What a worker has learned of items' two-tower vectors, as records of the topic of item signals, and back.

A value is, all little-endian: the length of a JSON object (uint32), the object, filled up with spaces so that what
follows begins at a multiple of 8; then the columns. The object is `{"version", "items", "vectors"}`: the ids of the K
items, each once, and the number n of vectors.

- of each item, its key (uint64) as in `records`, and the uses that were learned from (int64);
- of each vector, the growth of AdaGrad's sum (float32);
- of each vector, by how much it moved (DIM float16);
- of each item, which of its PARTS vectors moved (uint8, the first one the lowest bit). The vectors stand in this order.

Headers say in which space the vectors are (see `items.towers.space_of`), which worker tells, and the number of the
record among all of that worker, which rises. A worker that starts anew has another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sinks.base import TopicRecords
from streams.events.records import SourceRecord
from streams.flow.learning import checking
from streams.flow.learning.packed import pack, unpack, unpack_head
from streams.flow.learning.records import NoSignalsError
from streams.items.signals import Keys, Longs
from streams.items.towers import DIM, PARTS, TowerChanges
from streams.state.items.said import SaidOfTowers

VERSION = 1
SPACE, TELLER, NUMBER = "interestflow.towers", "interestflow.towers.of", "interestflow.towers.number"
# Of a record: below 900,000 bytes, which every topic takes by default.
MOST_ITEMS = 1000
COLUMNS = ("<u8", "<i8", "<f4", "<f2", "u1")
BITS = 1 << np.arange(PARTS, dtype=np.uint8)


@dataclass(slots=True)
class TowerWriter:
    """Of one worker. teller: its name, of this start alone. number: of its last record."""

    topic: str
    space: int
    teller: str
    number: int = -1

    def groups(
        self, ids: Sequence[str], keys: Keys, partitions: Longs, changes: TowerChanges
    ) -> Iterator[tuple[TopicRecords, Longs]]:
        """Records of changes of items (n,), one in each group, each with the indices of its items.

        ids, keys, partitions: (n,) of the items.
        """
        for number in np.unique(partitions).tolist():
            own = np.flatnonzero(partitions == number)
            for first in range(0, len(own), MOST_ITEMS):
                some = own[first : first + MOST_ITEMS]
                value = _value([ids[at] for at in some.tolist()], keys[some], changes.only(some))
                self.number += 1
                origin = [(TELLER, self.teller.encode()), (NUMBER, b"%d" % self.number)]
                headers = [(SPACE, b"%d" % self.space), *origin]
                yield TopicRecords(self.topic, [(None, value)], number, [headers]), some


def _value(ids: Sequence[str], keys: Keys, changes: TowerChanges) -> bytes:
    moved = (changes.squares > 0) | (changes.vectors != 0).any(axis=2)
    of_vectors = changes.squares[moved], changes.vectors[moved]
    columns = (keys, changes.uses, *of_vectors, (moved * BITS).sum(axis=1))
    head = {"version": VERSION, "items": ids, "vectors": int(moved.sum())}
    return pack(head, zip(COLUMNS, columns, strict=True))


def read_towers(record: SourceRecord) -> SaidOfTowers | None:
    """What a worker tells; None of a record that is something else. Raises NoSignalsError where it is damaged."""
    headers = dict(record.headers)
    if SPACE not in headers:
        return None
    try:
        teller = checking.stream(headers, TELLER)
        space, number = checking.header(headers, SPACE), checking.header(headers, NUMBER)
        ids, keys, changes = _read(record.value or b"")
    except checking.UNREADABLE as error:
        raise NoSignalsError(f"no record of two-tower vectors: {error!r}"[:200]) from error
    return SaidOfTowers(record.offset, teller, number, space, ids, keys, changes)


def _read(value: bytes) -> tuple[list[str], Keys, TowerChanges]:
    head, begin = unpack_head(value)
    if head["version"] != VERSION:
        raise ValueError(f"version {head['version']}")
    ids = checking.names(head["items"])
    count = checking.whole(head["vectors"], 0, PARTS * len(ids))
    lengths = (len(ids), len(ids), count, count * DIM, len(ids))
    keys, uses, grown, vectors, which = unpack(value, begin, list(zip(COLUMNS, lengths, strict=True)))
    moved = (which[:, None] & BITS) != 0
    squares = np.zeros((len(ids), PARTS), dtype=np.float32)
    changes = np.zeros((len(ids), PARTS, DIM), dtype=np.float16)
    squares[moved], changes[moved] = grown, vectors.reshape(-1, DIM)
    return ids, keys, TowerChanges(uses.astype(np.int64), squares, changes)
