"""What stands in the topics of a deployment, read on from where the last look ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Message

from streams.flow.flow import Flow
from streams.kafka.reading import Reader

MARK, OWNER = b"\x00watermark", b"\x00owner"


@dataclass(slots=True)
class Row:
    """The newest changelog record of a user. state: a structured row, as the flow's layout says."""

    state: Any
    tail: bytes

    @property
    def place(self) -> tuple[int, ...]:
        """Offset, count and epoch: the higher one is the newer state."""
        return tuple(int(self.state[name][0]) for name in ("offset", "applied", "epoch"))


@dataclass(slots=True)
class Changelog:
    """The state as a recovery would find it, read independently of the code that recovers."""

    flow: Flow
    rows: dict[str, Row] = field(default_factory=dict)
    progress_by_partition: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Take a record: the highest (offset, count, epoch) of a key wins."""
        key, value = message.key(), message.value()
        if key == MARK:
            progress = orjson.loads(value)
            known = self.progress_by_partition.get(message.partition())
            if known is None or self._order(progress) >= self._order(known):
                self.progress_by_partition[message.partition()] = progress
        elif value is not None and key != OWNER:
            self.put(key.decode(), value)

    @staticmethod
    def _order(progress: dict[str, Any]) -> tuple[int, int, int]:
        return progress["offset"], progress["term"], progress["change"]

    def put(self, user: str, value: bytes) -> None:
        """Take a user's record."""
        size = self.flow.layout.size
        row = Row(self.flow.layout.view(np.frombuffer(value[:size], np.uint8).reshape(1, size)), value[size:])
        held = self.rows.get(user)
        if held is None or row.place >= held.place:
            self.rows[user] = row


@dataclass(slots=True)
class Published:
    """Vector records: the highest of each user, and where one went down."""

    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    falls: list[str] = field(default_factory=list)
    _last: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Take a record."""
        record, user = orjson.loads(message.value()), message.key().decode()
        place = self._order(record)
        if place < self._last.get(user, place):
            self.falls.append(f"{user}: {self._last[user]} was followed by {place}")
        self._last[user] = place
        known = self.newest.get(user)
        if known is None or place >= self._order(known):
            self.newest[user] = record

    @staticmethod
    def _order(record: dict[str, Any]) -> tuple[int, ...]:
        return tuple(record[name] for name in ("generation", "count", "term", "offset", "version"))


class Tail:
    """Hands the new records of a topic to whoever keeps them."""

    def __init__(self, config: dict[str, Any], topic: str) -> None:
        self._open: Callable[[], Reader] = lambda: Reader({**config, "log_level": 0}, topic)
        self._reader: Reader | None = None

    def messages(self, deadline_s: float = 30.0) -> list[Message]:
        """All that came since the last call, up to the end now."""
        if self._reader is None:
            self._reader = self._open()
        return [message for chunk in self._reader.to_end(deadline_s) for message in chunk]

    def close(self) -> None:
        """Let go of the connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
