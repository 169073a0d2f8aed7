"""From a fetch to our records, a record batch at a time.

aiokafka goes from record to record through three generators and a loop, and makes objects of each, which took a fifth
of all our time. Which batches are read, which are damaged, aborted or hold markers, and where the next fetch begins
stays its own to say.
Private names of aiokafka 0.14 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from streams.events.columns.records import RecordColumns
from streams.events.records import Record
from streams.kafka.member.own_aiokafka import fetcher
from streams.kafka.member.record_batches import Parsed, end_of, parsed
from streams.kernels.fetched import OFFSET

# Of a record's timestamp, as the protocol has it; 0 is CreateTime.
LOG_APPEND_TIME = 1
# Of aiokafka's record, in the order of ours; a column at a time, for a call from Python for each value is dear.
_COLUMNS = tuple(map(attrgetter, ("offset", "timestamp", "key", "value", "headers")))

Records = list[Record] | RecordColumns


class Whole(NamedTuple):
    """All records of a record batch, at least one, as one: aiokafka takes for a record what has an offset.

    records: as columns, or aiokafka's own.
    """

    records: Parsed | Sequence[Any]
    offset: int


class WholeBatch:
    """A record batch that gives its records at once."""

    def __init__(self, batch: Any, fetched: bytes, begin: int, end: int) -> None:
        """fetched: it stands there from `begin` to `end`."""
        self._batch, self._place = batch, (fetched, begin, end)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Whole]:
        if (columns := parsed(*self._place)) is not None:
            yield Whole(columns, int(columns.table[OFFSET, -1]))
        elif records := list(self._batch):
            yield Whole(records, records[-1].offset)


class WholeBatches:
    """The record batches that were fetched of a partition."""

    def __init__(self, fetched: bytes) -> None:
        self._batches, self._fetched, self._at = MemoryRecords(fetched), fetched, 0
        self.has_next, self.size_in_bytes = self._batches.has_next, self._batches.size_in_bytes

    def next_batch(self) -> WholeBatch:
        """See aiokafka."""
        batch, begin = self._batches.next_batch(), self._at
        self._at = end_of(self._fetched, begin)
        return WholeBatch(batch, self._fetched, begin, self._at)


class LeanRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """Gives our records, a sequence for each record batch, without sizes, checksums and deserialisers."""

    def _consumer_record(self, tp: TP, whole: Whole) -> Records:
        # A batch comes whole, though its first records may have been read.
        if isinstance(whole.records, Parsed):
            text, table = whole.records.text, whole.records.table
            if table[OFFSET, 0] < self.next_fetch_offset:
                table = table[:, table[OFFSET] >= self.next_fetch_offset]
            return RecordColumns(tp.topic, tp.partition, text, table)
        records = whole.records
        if records[0].offset < self.next_fetch_offset:
            records = [record for record in records if record.offset >= self.next_fetch_offset]
        # A batch has one.
        appended = repeat(records[0].timestamp_type == LOG_APPEND_TIME)
        columns = (map(column, records) for column in _COLUMNS)
        return list(map(Record, repeat(tp.topic), repeat(tp.partition), *columns, appended))


class LeanResult(fetcher.FetchResult):  # type: ignore[misc]
    """What was fetched of a partition and is not taken yet."""

    _partition_records: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Of the record batch that was taken in part.
        self._rest: Records = []

    def getall(self, max_records: int | None = None) -> Records:
        """As aiokafka's: up to so many records, behind which the position is then."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        fetched, taken, left = self._partition_records, list[Records](), max_records
        more: Records | None = self._rest
        while more is not None:
            if len(more):
                taken.append(more if left is None else more[:left])
            if left is not None:
                if left <= len(more):
                    self._rest = more[left:]
                    fetched.next_fetch_offset = taken[-1][-1].offset + 1
                    break
                left -= len(more)
            more = next(fetched, None)
        self._update_position()
        if more is None:
            self._partition_records = None
        return _together(taken)


def _together(parts: Sequence[Records]) -> Records:
    """Several of one partition as one."""
    columns = [part for part in parts if isinstance(part, RecordColumns)]
    if len(columns) == len(parts) > 0:
        return RecordColumns.joined(columns)
    return [record for part in parts for record in part]


def register() -> None:
    """Make aiokafka use them, which has no setting for it."""
    fetcher.MemoryRecords = WholeBatches
    fetcher.PartitionRecords = LeanRecords
    fetcher.FetchResult = LeanResult
