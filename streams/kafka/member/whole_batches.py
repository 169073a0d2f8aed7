"""From a fetch to our records, a record batch at a time.

aiokafka goes from record to record through three generators and a loop, which took a tenth of all our time. Which
batches are read, which are aborted or hold markers, and where the next fetch begins stays its own to say.
Private names of aiokafka 0.14 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from streams.events.records import Record
from streams.kafka.member.own_aiokafka import fetcher

# Of a record's timestamp, as the protocol has it; 0 is CreateTime.
LOG_APPEND_TIME = 1
# Of aiokafka's record, in the order of ours; a column at a time, for a call from Python for each value is dear.
_COLUMNS = tuple(map(attrgetter, ("offset", "timestamp", "key", "value", "headers")))


class Whole(NamedTuple):
    """All records of a record batch, at least one, as one: aiokafka takes for a record what has an offset."""

    records: Sequence[Any]
    offset: int


class WholeBatch:
    """A record batch that gives its records at once."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Whole]:
        if records := list(self._batch):
            yield Whole(records, records[-1].offset)


class WholeBatches:
    """The record batches that were fetched of a partition."""

    def __init__(self, fetched: bytes) -> None:
        self._batches = MemoryRecords(fetched)
        self.has_next, self.size_in_bytes = self._batches.has_next, self._batches.size_in_bytes

    def next_batch(self) -> WholeBatch:
        """See aiokafka."""
        return WholeBatch(self._batches.next_batch())


class LeanRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """Gives our records, a list for each record batch, without sizes, checksums and deserialisers."""

    def _consumer_record(self, tp: TP, whole: Whole) -> list[Record]:
        records = whole.records
        # A batch comes whole, though its first records may have been read.
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
        self._rest: list[Record] = []

    def getall(self, max_records: int | None = None) -> list[Record]:
        """As aiokafka's: up to so many records, behind which the position is then."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        fetched, taken = self._partition_records, list(self._rest)
        while max_records is None or len(taken) < max_records:
            more = next(fetched, None)
            if more is None:
                self._update_position()
                self._partition_records = None
                return taken
            taken += more
        taken, self._rest = taken[:max_records], taken[max_records:]
        fetched.next_fetch_offset = taken[-1].offset + 1
        self._update_position()
        return taken


def register() -> None:
    """Make aiokafka use them, which has no setting for it."""
    fetcher.MemoryRecords = WholeBatches
    fetcher.PartitionRecords = LeanRecords
    fetcher.FetchResult = LeanResult
