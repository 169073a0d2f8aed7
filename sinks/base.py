"""What the two kinds of sinks promise.

The log keeps every record in order and gives offsets, which the changelog needs. `publish` takes groups of records and
returns a future that resolves once each of them is durable, or fails with the first error. Its result is a list with
one offset per group: for a group with a partition that of its last record, for any other group -1. Records of one
topic and partition are delivered in the order given, across calls, and without gaps: what is delivered of them is a
prefix of what was handed over. A log that failed to deliver a record takes no more: every later `publish` raises
SinkError.

A destination keeps the newest row of each key in a table: a database, a search engine, a compacted topic. A row may
come twice, and rows of several workers in any order; versions say which of two counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Header = tuple[str, bytes]
KeyValue = tuple[bytes | None, bytes | None]
# What `publish` returns: done once every record is durable. Its result has one offset per group.
Delivery = Future[Sequence[int]]


class SinkError(RuntimeError):
    """A record could not be delivered; nothing that depends on it may be acknowledged."""


class DestinationError(RuntimeError):
    """A destination cannot be built: a setting is missing or wrong, or what it names cannot be used.

    A destination's factory raises it. Commands print the message without a traceback, so it is a sentence for a user:
    it names the setting, and says what to do.
    """


@dataclass(frozen=True, slots=True)
class TopicRecords:
    """Records of one topic.

    records: (key, value) pairs; a null value is a tombstone. partition: None leaves it to the key's murmur2
    hash, as Java and aiokafka do. headers: one list per record, or None for none at all.
    """

    topic: str
    records: Sequence[KeyValue]
    partition: int | None = None
    headers: Sequence[Sequence[Header]] | None = None


class Log(Protocol):
    """The log."""

    def publish(self, groups: Sequence[TopicRecords]) -> Delivery:
        """Hand the records over without waiting. The future fails with SinkError."""
        ...

    def close(self, deadline_s: float) -> int:
        """Deliver what is outstanding for at most `deadline_s` seconds; returns how many were not."""
        ...


class Row(NamedTuple):
    """The value of one key in a table."""

    # UTF-8 text: the id of a user.
    key: bytes
    # Of two rows of a key the one with the greater version counts, compared number by number. All versions have the
    # same length; numbers are at least -1 and below 2**63.
    version: tuple[int, ...]
    # A JSON object in UTF-8, which docs/outputs.md describes.
    value: bytes


class Destination(Protocol):
    """Tables of rows by key.

    Its factory takes all settings and the log. It raises DestinationError for a wrong setting. A destination tries
    again by itself, for `settings.worker.retry_deadline_s` at most, before a future fails. It starts empty: it gets
    the rows that are published from then on.
    """

    def upsert(self, table: str, rows: Sequence[Row]) -> Future[Any]:
        """Take rows over without waiting; from any thread.

        A row is stored if its table has none of its key, or one with an equal or smaller version; otherwise it is
        ignored. Returns a future. It resolves (its value is
        not read) when all rows are durable. If it fails with SinkError, the worker ends; after a restart it sends the
        rows again.
        """
        ...

    def close(self, deadline_s: float) -> int:
        """Deliver what is outstanding for at most `deadline_s` seconds; returns how many rows were not.

        Called once; nothing is handed over afterwards.
        """
        ...
