"""What a changelog record says: the whole state of one key, or how far the states of a partition go."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

# A key of a row holds no control character, so no row can have one of these.
PROGRESS_KEY = b"\x00watermark"
OWNER_KEY = b"\x00owner"
CONTROL_KEYS = frozenset((PROGRESS_KEY, OWNER_KEY))
NO_EPOCH = -1


class TopicIdentity(msgspec.Struct, frozen=True):
    """The topic that offsets belong to."""

    topic: str
    partitions: int
    # Another one after the topic was deleted and created anew; empty where unknown.
    topic_id: str = ""


class OutputProgress(msgspec.Struct, frozen=True, rename={"epoch": "term", "sequence": "change"}):
    """Which state changes have delivered outputs.

    Source offsets could not say it, for an event may wait for its item. So each row carries the number of its last
    change, and the epoch in which it was made: the offset of the record by which a worker took the partition over.
    Delivered are the outputs of all changes of `epoch` up to number `sequence`, and those of the changes of other
    epochs whose records that worker had read.
    """

    epoch: int
    sequence: int
    # Changelog offset up to which (exclusive) the worker of this epoch had read at its start.
    read_to: int

    def covers(self, states: Any) -> npt.NDArray[np.bool_]:
        """(n,) true for rows whose outputs are delivered. states: (n,) structured rows of a recovery (see Layout).

        A row with an older record behind its own is not covered: the older outputs may lie behind its own, too.
        """
        own, record_offset = states["epoch"] == self.epoch, states["record_offset"]
        found: npt.NDArray[np.bool_] = (record_offset >= 0) & np.where(
            own, states["sequence"] <= self.sequence, record_offset < self.read_to
        )
        return found


NOTHING = OutputProgress(NO_EPOCH, 0, 0)


class FeedbackCounts(msgspec.Struct, frozen=True):
    """What became of recommendations that were shown, by all events of the source up to `offset`.

    It stands in the changelog before the rows that these events change. So a row never holds what is not counted, and
    events that are read again, up to `offset`, are not counted again (see `flow.feedback.joining`). Of two, the one
    with the higher offset is newer, whoever wrote it, for the log alone decides the counts.
    """

    offset: int
    # By outcome, arm and source, as `used.explore.neighbours`.
    counts: dict[str, int]


Counted = FeedbackCounts | msgspec.UnsetType


class Progress(msgspec.Struct, rename={"epoch": "term", "sequence": "change", "deferred": "recommended"}):
    """The progress record of a partition: the effects of every event up to `offset` are in the changelog."""

    # In the source.
    offset: int
    # The worker's, who wrote it.
    epoch: int
    # Number of the last change before it, in that epoch.
    sequence: int
    # Source offset up to which rejected records are delivered, too.
    resume: int
    # Which changes have delivered outputs: those that leave with their batch, and those that come later.
    published: OutputProgress
    deferred: OutputProgress
    # Its id: rows of another layout cannot be read.
    layout: str
    source: TopicIdentity
    # Events by outcome since the beginning of the partition; they balance (see `audit`).
    books: dict[str, int]
    # The highest rank read of each source partition, by stream and partition (see `origins`).
    origins: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    # Not there where nobody asks for feedback.
    feedback: Counted = msgspec.UNSET
    # What the rows are built with (see `built_with`); earlier versions did not say.
    built_with: dict[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def newest(cls, known: Progress | None, record: bytes) -> Progress:
        """The higher of a known progress record and the one in a record, in whichever order they were written."""
        return cls.of(record).or_newer(known)

    @classmethod
    def of(cls, record: bytes) -> Progress:
        """The progress record in a record's value."""
        return msgspec.json.decode(record, type=cls)

    def or_newer(self, known: Progress | None) -> Progress:
        """The higher of both, this one where they are equal; with the higher feedback of both."""
        if known is None:
            return self
        higher, lower = (self, known) if self.order >= known.order else (known, self)
        if higher.counted >= lower.counted:
            return higher
        return msgspec.structs.replace(higher, feedback=lower.feedback)

    @property
    def counted(self) -> int:
        """Source offset up to which feedback is counted."""
        return self.feedback.offset if isinstance(self.feedback, FeedbackCounts) else -1

    @property
    def order(self) -> tuple[int, int, int]:
        """Progress records of one offset differ by what has been delivered, and by waiting events that were applied."""
        return self.offset, self.epoch, self.sequence
