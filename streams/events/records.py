"""A Kafka record as everything here reads it, whichever client fetched it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

# Of a timestamp, as confluent-kafka tells it: the broker set it.
LOG_APPEND_TIME = 2


class SourceRecord(Protocol):
    """What is read of a record; Record is one. timestamp: milliseconds, None or negative where unknown."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def appended(self) -> bool: ...


class Record(msgspec.Struct, frozen=True, gc=False):
    """timestamp: milliseconds, None or negative where unknown.

    appended: the broker set the timestamp when the record came (LogAppendTime); else it is the producer's claim.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    appended: bool = False

    @classmethod
    def of(cls, message: Any) -> Record:
        """From confluent-kafka's message."""
        kind, timestamp = message.timestamp()
        return cls(
            message.topic(),
            message.partition(),
            message.offset(),
            timestamp if kind else None,
            message.key(),
            message.value(),
            message.headers() or [],
            kind == LOG_APPEND_TIME,
        )
