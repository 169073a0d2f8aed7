"""Which partitions of a topic a producer may write to without waiting: those whose broker remembers it.

A broker refuses a batch whose sequence number does not follow the last one that it has of the producer in that
partition, but takes any number where it has none. So the first record of each partition goes alone, and those behind
it are held until it is acknowledged. Pure; the sink acts on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, repeat
from typing import NamedTuple

from sinks.base import Header, TopicRecords
from sinks.outstanding import Outstanding, Report
from sinks.partitioning import partitions_of


class Entry(NamedTuple):
    """One record on its way."""

    key: bytes | None
    value: bytes | None
    partition: int
    report: Report | None
    headers: list[Header] | None


class Lane:
    """One topic. partitions: how many it has, 0 while that is not known."""

    def __init__(self, topic: str) -> None:
        self.topic, self.partitions = topic, 0
        # When the number was asked for, by the sink's clock.
        self.asked = float("-inf")
        self.open: set[int] = set()
        # Records behind the first one of each partition that is not acknowledged yet.
        self.held: dict[int, list[Entry]] = {}
        # Groups that came before the number of partitions was known.
        self.unplaced: list[tuple[Sequence[TopicRecords], int, Outstanding]] = []
        self._keyless = count()

    def places(self, group: TopicRecords) -> list[int]:
        """The partition of each record: the group's, or its key's; records without a key go round."""
        if group.partition is not None:
            return [group.partition] * len(group.records)
        keys = [key for key, _ in group.records]
        given = [key for key in keys if key is not None]
        found: list[int] = partitions_of(given, self.partitions).tolist()
        if len(given) == len(keys):
            return found
        hashed = iter(found)
        return [next(self._keyless) % self.partitions if key is None else next(hashed) for key in keys]

    def admit(self, entry: Entry) -> bool:
        """True where the record may go now; else it is held. The first of a closed partition goes and closes it."""
        if entry.partition in self.open:
            return True
        held = self.held.get(entry.partition)
        if held is None:
            self.held[entry.partition] = []
            return True
        held.append(entry)
        return False

    def opened(self, partition: int) -> list[Entry]:
        """The first record is acknowledged: what was held behind it, in order."""
        self.open.add(partition)
        return self.held.pop(partition, [])


def headers_of(group: TopicRecords) -> Iterator[list[Header] | None]:
    """The headers of each record, as the client takes them."""
    return repeat(None, len(group.records)) if group.headers is None else map(list, group.headers)


def entries(group: TopicRecords, places: Sequence[int], reports: Sequence[Report | None]) -> Iterator[Entry]:
    """The records of a group, each with its partition and what it reports to, if anything."""
    columns = zip(group.records, places, reports, headers_of(group), strict=True)
    for (key, value), partition, report, own in columns:
        yield Entry(key, value, partition, report, own)
