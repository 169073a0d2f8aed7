"""What a stage is, and what it makes of a batch: records to publish, and counts. The runner does the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from encoders.media.content import Failure
from sinks.base import TopicRecords
from streams.events.records import SourceRecord
from streams.events.rejections import Rejected
from streams.flow.flow import Updated
from streams.interest.base import Floats
from streams.kafka.member.batches import RecordBatch
from streams.state.store import NO_OFFSET
from streams.state.users.partition import UserPartition

Refusal = tuple[SourceRecord, Rejected]


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of a partition's rows, to be published before the next one of that partition is made.

    resume: source offset up to which the rejected records beside it are complete, or -1.
    """

    part: UserPartition
    updated: Updated
    resume: int = NO_OFFSET


@dataclass(slots=True)
class Outputs:
    """What a stage made of one batch, in the order in which it is published."""

    # Rejected records that must be on the broker before the change is published.
    isolated: Sequence[Refusal] = ()
    change: StateChange | None = None
    groups: Sequence[TopicRecords] = ()
    rejected: Sequence[Refusal] = ()
    # The topic that the batch came from, where the outcomes are counted by it.
    source: str = ""
    # How many events or records there were, by what became of them.
    outcomes: Mapping[str, int] = field(default_factory=dict)
    # The newest time of an event, milliseconds; None without events.
    newest: int | None = None
    # Media of items that could not be read.
    media_failed: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch of which something must be encoded first. encode: called on an encoder's thread, gives (t, dim).

    resume: called with these vectors on the model thread; what it returns may be pending again.
    """

    encode: Callable[[], Floats]
    resume: Callable[[Floats], Outputs | Pending]


class Stage(Protocol):
    """One step of a record's way. It knows neither threads, sinks nor metrics."""

    name: str  # as the metrics and rejected records have it
    needs_catalog: bool  # batches wait until the items that were there at the start are known

    def start(self, batch: RecordBatch) -> Outputs | Pending:
        """Begin a batch, on the model thread. Raises EverythingFailsError: then the process must end."""
        ...
