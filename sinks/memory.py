"""Records and rows in memory: for tests, and for running the flow in one process without Kafka."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any

from sinks.base import Header, Log, Row, SinkError, TopicRecords

Takes = Callable[[str, bytes | None, bytes | None], bool]


class MemoryLog:
    """Keeps what it is given, per topic, in order."""

    def __init__(self, takes: Takes = lambda topic, key, value: True) -> None:
        """takes: whether a record of this topic, key and value is taken; from the first that is not, none is."""
        self._takes, self._fatal = takes, ""
        self.records: dict[str, list[tuple[bytes | None, bytes | None, Sequence[Header]]]] = defaultdict(list)

    def publish(self, groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        """Resolved at once; offsets count a topic's records, whatever their partition."""
        if self._fatal:
            raise SinkError(self._fatal)
        done: Future[Sequence[int]] = Future()
        try:
            done.set_result([self._keep(group) for group in groups])
        except SinkError as error:
            done.set_exception(error)
        return done

    def _keep(self, group: TopicRecords) -> int:
        headers = group.headers or [()] * len(group.records)
        for (key, value), own in zip(group.records, headers, strict=True):
            if not self._takes(group.topic, key, value):
                self._fatal = f"a record of {group.topic} was refused"
                raise SinkError(self._fatal)
            self.records[group.topic].append((key, value, own))
        there = group.partition is not None and len(group.records) > 0
        return len(self.records[group.topic]) - 1 if there else -1

    def latest(self, topic: str) -> dict[bytes | None, bytes]:
        """The topic as compaction would leave it: the last value of each key, tombstones gone."""
        table: dict[bytes | None, bytes] = {}
        for key, value, _ in self.records[topic]:
            table.pop(key, None)
            if value is not None:
                table[key] = value
        return table

    def close(self, deadline_s: float) -> int:
        """Nothing is ever outstanding."""
        return 0


class MemoryDestination:
    """Keeps the newest row of each key. tables: table -> key -> row."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[bytes, Row]] = defaultdict(dict)
        self._lock = Lock()

    def upsert(self, table: str, rows: Sequence[Row]) -> Future[Any]:
        """Resolved at once."""
        with self._lock:
            known = self.tables[table]
            for row in rows:
                if row.key not in known or row.version >= known[row.key].version:
                    known[row.key] = row
        done: Future[Any] = Future()
        done.set_result(None)
        return done

    def close(self, deadline_s: float) -> int:
        """Nothing is ever outstanding."""
        return 0


def from_settings(settings: Any, log: Log) -> MemoryDestination:
    """An empty one, which ends with the process."""
    return MemoryDestination()
