"""What every destination promises.

`publish` takes groups of records and returns a future that resolves once each of them is durable, or fails
with the first error. It resolves to one offset per group: where the last record of a group stands that names its
partition, -1 for the others. Records of one topic and partition are delivered in the order given, across calls, and
without gaps: what is delivered of them is a prefix of what was handed over. A sink that failed to deliver a record
takes no more: every later `publish` raises SinkError.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

Header = tuple[str, bytes]
KeyValue = tuple[bytes | None, bytes | None]
# What `publish` returns: done once every record is durable. Its result has one offset per group.
Delivery = Future[Sequence[int]]


class SinkError(RuntimeError):
    """A record could not be delivered; nothing that depends on it may be acknowledged."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one topic.

    records: (key, value) pairs; a null value is a tombstone. partition: None leaves it to the key's murmur2
    hash, as Java and aiokafka do. headers: one list per record, or None for none at all.
    """

    topic: str
    records: Sequence[KeyValue]
    partition: int | None = None
    headers: Sequence[Sequence[Header]] | None = None


class Sink(Protocol):
    """A destination of records."""

    def publish(self, groups: Sequence[Group]) -> Delivery:
        """Hand the records over without waiting. The future fails with SinkError."""
        ...

    def close(self, deadline_s: float) -> int:
        """Deliver what is outstanding for at most `deadline_s` seconds; returns how many were not."""
        ...
