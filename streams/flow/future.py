"""Bounds how far ahead an event's own time may be. A wrong clock must not freeze a user, nor change a good time.

Where the broker set a record's time (LogAppendTime), that is the bound, here and in every replay. A CreateTime is the
producer's own claim and bounds nothing: there the worker's clock and a tolerance are the bound. Ingest moves an event
back to the bound before it writes it. An event in a canonical topic that a company writes itself is in the log already:
it is rejected, and a replay leaves out what the worker rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from streams.events.canonical import Event
from streams.events.records import SourceRecord
from streams.events.rejections import Reason, Rejected
from streams.flow.decoded import Decoded

STAGE = "update.decode"


@dataclass(frozen=True, slots=True)
class Future:
    """The bound of one worker. clock: seconds since the epoch."""

    clock: Callable[[], float]
    tolerance_s: float

    def horizon(self) -> int:
        """Milliseconds since the epoch beyond which nothing can have happened yet."""
        return round(1000 * (self.clock() + self.tolerance_s))

    def bound(self, ingested: Iterable[tuple[Event, SourceRecord]]) -> None:
        """Move events back to their bound, in place, where they are later. ingested: with their sources' records."""
        horizon = self.horizon()
        for event, record in ingested:
            latest = record.timestamp if record.appended and record.timestamp else horizon
            event.timestamp = min(event.timestamp, latest)

    def refuse(self, decoded: Decoded) -> None:
        """Refuse canonical events from the future whose records' time the broker did not set."""
        if decoded.recorded.all():
            return
        horizon = self.horizon()
        if decoded.events.times.max() <= horizon:
            return
        ahead = (decoded.recorded == 0) & (decoded.events.times > horizon)
        for index in np.flatnonzero(ahead).tolist():
            decoded.refused[index] = Rejected(Reason.TIMESTAMP_IN_FUTURE, self._message(), STAGE)

    def _message(self) -> str:
        return (
            f"timestamp is more than {self.tolerance_s:g} s ahead of the worker's clock "
            "(INTERESTFLOW_FUTURE_TOLERANCE_S): correct the producer's clock, or let the topic have "
            "message.timestamp.type=LogAppendTime, which bounds it"
        )
