"""The delivery reports that one `publish` still waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain, repeat
from typing import Any

from sinks.base import SinkError, TopicRecords

# Of one record: an error or None, and the message.
Report = Callable[[Any, Any], None]


class Outstanding:
    """Of one call. The reports come in one thread only."""

    __slots__ = ("_refused", "begun", "future", "offsets", "remaining")

    def __init__(self, groups: Sequence[TopicRecords], begun: float, refused: Report) -> None:
        """begun: seconds, by the sink's own clock. refused: called with the error of a record that is not delivered."""
        self.remaining = sum(len(group.records) for group in groups)
        self.begun, self._refused = begun, refused
        self.offsets = [-1] * len(groups)
        self.future: Future[Sequence[int]] = Future()
        # Whoever stops waiting for it must not cancel it: its result would then be an error in the poll thread.
        self.future.set_running_or_notify_cancel()
        if not self.remaining:
            self.future.set_result(self.offsets)

    def report(self, error: Any, message: Any) -> None:
        """One record has its delivery report."""
        if error is not None:
            self._refused(error, message)
            return
        self.remaining -= 1
        if not self.remaining and not self.future.done():
            self.future.set_result(self.offsets)

    def reports(self, groups: Sequence[TopicRecords], index: int) -> Iterator[Report]:
        """What each record of a group reports to; the last one of a named partition tells its offset, too."""
        group = groups[index]
        if group.partition is None:
            return repeat(self.report, len(group.records))
        return chain(repeat(self.report, len(group.records) - 1), (self._report_last(index),))

    def fail(self, reason: str) -> None:
        """Nothing more is waited for."""
        if not self.future.done():
            self.future.set_exception(SinkError(reason))

    def _report_last(self, index: int) -> Report:
        def report(error: Any, message: Any) -> None:
            if error is None:
                self.offsets[index] = message.offset()
            self.report(error, message)

        return report
