"""What the vectors must be, by docs/guarantees.md: each source event once, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import orjson
from confluent_kafka import Message

from streams.events.records import Record
from streams.settings.settings import Settings
from tests.faults.oracle import Oracle

# Where a canonical record may say where it comes from: none of it is looked at.
ORIGIN = ("interestflow.origin", "interestflow.source.")


class Truth(Oracle):
    """Folds the distinct events. They are told apart by what the load has put into each, its session, and not by
    anything that the product has made of it: neither headers nor event ids nor offsets.
    """

    def __init__(self, settings: Settings, embeddings: Iterable[Message]) -> None:
        super().__init__(settings, embeddings)
        # Names of the events in the log; and records of it that say again what one before said.
        self.seen: set[str] = set()
        self.repeats = 0

    def add(self, messages: Iterable[Message]) -> None:
        """Fold what the log has for the first time."""
        self.fold([record for message in messages if (record := self._first(message)) is not None])

    def _first(self, message: Message) -> Record | None:
        record = Record.of(message)
        event = orjson.loads(record.value or b"")
        name = event["session_id"]
        if name in self.seen:
            self.repeats += 1
            return None
        self.seen.add(name)
        value = orjson.dumps({**event, "event_id": name})
        headers = [header for header in record.headers if not header[0].startswith(ORIGIN)]
        return msgspec.structs.replace(record, value=value, headers=headers)
