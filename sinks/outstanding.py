"""The delivery reports that one `publish` still waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from confluent_kafka import KafkaError

from sinks.base import SinkError, TopicRecords

# Of one record: an error or None, and the message.
Report = Callable[[Any, Any], None]
MISSING = KafkaError(
    KafkaError._GAPLESS_GUARANTEE, "it took one behind it, as where it did not know the topic for a moment"
)


class Appended:
    """How far each partition is written, by the reports: a record that is missing before a reported one shows here."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int], int] = {}

    def lacks(self, message: Any, count: int) -> bool:
        """True where fewer offsets lie between the last report and this one than it is to hold for.

        message: its offset is negative where the broker did not tell it; then nothing can be said.
        """
        offset, partition = message.offset(), (message.topic(), message.partition())
        if offset < 0:
            return False
        before = self._ends.get(partition)
        self._ends[partition] = offset + 1
        return before is not None and offset + 1 - before < count


class Outstanding:
    """Of one call. The reports come in one thread only."""

    __slots__ = ("_appended", "_refused", "begun", "future", "offsets", "remaining")

    def __init__(
        self, groups: Sequence[TopicRecords], begun: float, refused: Report, appended: Appended
    ) -> None:
        """begun: seconds, by the sink's own clock. refused: called with the error of a record that is not delivered."""
        self.remaining = sum(len(group.records) for group in groups)
        self.begun, self._refused, self._appended = begun, refused, appended
        self.offsets = [-1] * len(groups)
        self.future: Future[Sequence[int]] = Future()
        # Whoever stops waiting for it must not cancel it: its result would then be an error in the poll thread.
        self.future.set_running_or_notify_cancel()
        if not self.remaining:
            self.future.set_result(self.offsets)

    def reports(
        self, groups: Sequence[TopicRecords], index: int, places: Sequence[int]
    ) -> list[Report | None]:
        """What each record of a group reports to: the last one of each partition, for all of them before it.

        places: the partition of each record. Where the group names it, the report tells the offset, too.
        """
        found: list[Report | None] = [None] * len(places)
        if groups[index].partition is not None:
            found[-1] = partial(self._told, index, len(places))
            return found
        counts = Counter(places)
        for place, at in {place: at for at, place in enumerate(places)}.items():
            found[at] = partial(self._delivered, counts[place])
        return found

    def fail(self, reason: str) -> None:
        """Nothing more is waited for."""
        if not self.future.done():
            self.future.set_exception(SinkError(reason))

    def _told(self, index: int, count: int, error: Any, message: Any) -> None:
        if error is None:
            self.offsets[index] = message.offset()
        self._delivered(count, error, message)

    def _delivered(self, count: int, error: Any, message: Any) -> None:
        """A record has its delivery report, which holds for `count` records."""
        if error is not None or self._appended.lacks(message, count):
            self._refused(error or MISSING, message)
            return
        self.remaining -= count
        if not self.remaining and not self.future.done():
            self.future.set_result(self.offsets)
