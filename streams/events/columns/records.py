"""Records of one partition by column, as they were fetched: an object per record only where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import overload

import numpy as np

from streams.events.columns.events import Longs
from streams.events.provenance import ORIGIN
from streams.events.records import Record
from streams.kernels.fetched import (
    APPENDED,
    KEY,
    OFFSET,
    ORIGIN_LENGTH,
    PLACES,
    TIME,
    VALUE,
    VALUE_LENGTH,
)
from streams.kernels.fetched import ORIGIN as ORIGIN_BEGIN
from streams.kernels.records import PADDING


def one_text(parts: Sequence[bytes]) -> tuple[bytes, Longs]:
    """All n parts in one, PADDING behind them; and (n, 2) begin and length of each in it."""
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    return b"".join([*parts, PADDING]), np.stack((np.cumsum(lengths) - lengths, lengths), axis=1)


@dataclass(slots=True, eq=False)
class RecordColumns(Sequence[Record]):
    """n records. table: (WIDTH, n), see `streams.kernels.fetched.parse`; its places are places in the text."""

    topic: str
    partition: int
    text: bytes
    table: Longs
    # All of them, once they were asked for.
    made: list[Record] | None = None

    @classmethod
    def joined(cls, parts: Sequence[RecordColumns]) -> RecordColumns:
        """Several of one partition, one at least, as one; of the texts what is of use, with PADDING behind it."""
        table = np.concatenate([part.table for part in parts], axis=1)
        texts, at, first = [], 0, 0
        for part in parts:
            own = part.table
            begin, end = int(own[KEY, 0]), int(own[ORIGIN_BEGIN, -1] + own[ORIGIN_LENGTH, -1])
            texts.append(memoryview(part.text)[begin:end])
            for row in PLACES:
                table[row, first : first + len(part)] += at - begin
            at, first = at + end - begin, first + len(part)
        return cls(parts[0].topic, parts[0].partition, b"".join([*texts, PADDING]), table)

    @property
    def offsets(self) -> Longs:
        """(n,)."""
        offsets: Longs = self.table[OFFSET]
        return offsets

    @property
    def recorded(self) -> Longs:
        """(n,) when the broker took each record, milliseconds; 0 where it did not say."""
        return np.where(self.table[APPENDED], self.table[TIME], 0)

    @property
    def values(self) -> Longs:
        """(n, 2) begin and length of each value in the text; an empty one where there is none."""
        return np.stack((self.table[VALUE], np.maximum(self.table[VALUE_LENGTH], 0)), axis=1)

    @property
    def origins(self) -> Longs:
        """(n, 2) begin and length of each origin in the text; an empty one where there is none."""
        return np.stack((self.table[ORIGIN_BEGIN], self.table[ORIGIN_LENGTH]), axis=1)

    @property
    def have_origins(self) -> bool:
        """True where one has."""
        return bool(self.table[ORIGIN_LENGTH].any())

    def only(self, indices: Longs) -> RecordColumns:
        """The records of these indices, in their order."""
        return replace(self, table=np.take(self.table, indices, axis=1), made=None)

    def __len__(self) -> int:
        return int(self.table.shape[1])

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordColumns: ...
    def __getitem__(self, index: int | slice) -> Record | RecordColumns:
        if isinstance(index, slice):
            return replace(self, table=self.table[:, index], made=None)
        if self.made is not None:
            return self.made[index]
        return self._records(self.table[:, index, np.newaxis])[0]

    def __iter__(self) -> Iterator[Record]:
        if self.made is None:
            self.made = self._records(self.table)
        return iter(self.made)

    def _records(self, table: Longs) -> list[Record]:
        text = self.text
        offsets, times, keys, key_lengths, values, value_lengths, origins, lengths, appended = table.tolist()
        columns = [
            [
                None if length < 0 else text[at : at + length]
                for at, length in zip(places, lengths_there, strict=True)
            ]
            for places, lengths_there in ((keys, key_lengths), (values, value_lengths))
        ]
        headers = [
            [(ORIGIN, text[at : at + length])] if length else ()
            for at, length in zip(origins, lengths, strict=True)
        ]
        about = repeat(self.topic), repeat(self.partition), offsets, times
        return list(map(Record, *about, *columns, headers, map(bool, appended)))
