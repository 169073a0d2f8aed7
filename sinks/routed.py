"""A log whose outputs go to destinations; all other records stay records of the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import CancelledError, Future
from threading import Lock
from typing import Any

from sinks.base import Destination, Log, Row, TopicRecords

Version = Callable[[bytes], tuple[int, ...]]


class RoutedLog:
    """Publishes like the log, with destinations in place of some of its topics."""

    def __init__(
        self, log: Log, destinations: Sequence[Destination], tables: Collection[str], version: Version
    ) -> None:
        """tables: the topics whose records are rows. version: of a row, from its value."""
        self._log, self._destinations = log, destinations
        self._tables, self._version = frozenset(tables), version

    def publish(self, groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        """See Log; resolves when the destinations have their rows too. Rows have the offset -1."""
        rows = [group for group in groups if group.topic in self._tables and group.records]
        if not rows:
            return self._log.publish(groups)
        logged = [index for index, group in enumerate(groups) if group.topic not in self._tables]
        published = self._log.publish([groups[index] for index in logged])

        def offsets() -> Sequence[int]:
            found = [-1] * len(groups)
            for index, offset in zip(logged, published.result(), strict=True):
                found[index] = offset
            return found

        return when_all([published, *self._upsert(rows)], offsets)

    def close(self, deadline_s: float) -> int:
        """Deliver what is outstanding for at most `deadline_s` seconds; returns how many records and rows were not."""
        ends = time.monotonic() + deadline_s
        closing: list[Destination | Log] = [*self._destinations, self._log]
        return sum(one.close(max(0.0, ends - time.monotonic())) for one in closing)

    def _upsert(self, groups: Sequence[TopicRecords]) -> list[Future[Any]]:
        taken = []
        for group in groups:
            rows = [self._row(key, value) for key, value in group.records]
            taken += [destination.upsert(group.topic, rows) for destination in self._destinations]
        return taken

    def _row(self, key: bytes | None, value: bytes | None) -> Row:
        assert key is not None, "a row has a key"
        assert value is not None, "a row is never removed"
        return Row(key, self._version(value), value)


def when_all(futures: Sequence[Future[Any]], result: Callable[[], Any]) -> Future[Any]:
    """A future that resolves to `result()` once all of these have, or fails with the first error."""
    joined: Future[Any] = Future()
    # Whoever stops waiting for it must not cancel it: the last of the futures could not resolve it then.
    joined.set_running_or_notify_cancel()
    lock, left = Lock(), len(futures)

    def settle(future: Future[Any]) -> None:
        nonlocal left
        error = CancelledError() if future.cancelled() else future.exception()
        with lock:
            if left <= 0:
                return
            left = 0 if error else left - 1
            waits = left > 0
        # Outside the lock: callbacks run here.
        if error:
            joined.set_exception(error)
        elif not waits:
            joined.set_result(result())

    for future in futures:
        future.add_done_callback(settle)
    return joined
