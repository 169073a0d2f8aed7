"""Tables as compacted topics of a log, each of the table's name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from sinks.base import Log, Row, TopicRecords


class KafkaDestination:
    """Appends every row; compaction keeps the last of each key.

    A reader keeps the greatest version, which the value holds: a replaced worker may append an older row behind it.
    """

    def __init__(self, log: Log) -> None:
        """log: whoever made it closes it."""
        self._log = log

    def upsert(self, table: str, rows: Sequence[Row]) -> Future[Any]:
        """See Destination."""
        return self._log.publish([TopicRecords(table, [(row.key, row.value) for row in rows])])

    def close(self, deadline_s: float) -> int:
        """The log delivers what is outstanding."""
        return 0


def from_settings(settings: Any, log: Log) -> KafkaDestination:
    """The deployment's own topics."""
    return KafkaDestination(log)
