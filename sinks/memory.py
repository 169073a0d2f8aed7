"""Records into a list: for tests, and for running the flow in one process without Kafka."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future

from sinks.base import Group, Header


class MemorySink:
    """Keeps what it is given, per topic, in order."""

    def __init__(self) -> None:
        self.records: dict[str, list[tuple[bytes | None, bytes | None, Sequence[Header]]]] = defaultdict(list)

    def publish(self, groups: Sequence[Group]) -> Future[Sequence[int]]:
        """Resolved at once; offsets count a topic's records, whatever their partition."""
        offsets = []
        for group in groups:
            headers = group.headers or [()] * len(group.records)
            for (key, value), own in zip(group.records, headers, strict=True):
                self.records[group.topic].append((key, value, own))
            there = group.partition is not None and len(group.records) > 0
            offsets.append(len(self.records[group.topic]) - 1 if there else -1)
        done: Future[Sequence[int]] = Future()
        done.set_result(offsets)
        return done

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
