"""What a changelog record says: one user's whole state, or how far a partition's states go."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

# A user id holds no control character, so these keys can never be a user's.
WATERMARK_KEY = b"\x00watermark"
OWNER_KEY = b"\x00owner"
CONTROL_KEYS = frozenset((WATERMARK_KEY, OWNER_KEY))
NO_TERM = -1


class Waiting(msgspec.Struct, array_like=True):
    """An event that waits for its item to enter the catalogue."""

    offset: int
    item_id: str
    # When the broker took the record, milliseconds, 0 where it did not say: the event's own time is never taken as
    # later than it.
    recorded: int
    event: bytes
    # Of its id (see duplicates.event_key).
    key: int


class SourceTopic(msgspec.Struct, frozen=True):
    """The canonical topic that offsets speak of. topic_id: changes when it is recreated; empty where unknown."""

    topic: str
    partitions: int
    topic_id: str = ""


class Claim(msgspec.Struct, frozen=True):
    """Of which changes of rows the outputs are out: not told by source offsets, for an event may wait for its item.

    Each row bears the term of its last change, which is the offset of the record by which a worker took the
    partition over, and the change's number in that term. Out are those of `term` up to number `change`, and
    those of other terms that stand before `read_to` in the changelog, which is how far that worker had read.
    """

    term: int
    change: int
    read_to: int

    def covers(self, states: Any) -> npt.NDArray[np.bool_]:
        """(n,) true for rows whose outputs are out; states: structured rows as a recovery found them (see Layout).

        A state that an older one came behind is not covered: outputs of that one may have come behind its own.
        """
        own, place = states["term"] == self.term, states["place"]
        found: npt.NDArray[np.bool_] = (place >= 0) & np.where(
            own, states["change"] <= self.change, place < self.read_to
        )
        return found


NOTHING = Claim(NO_TERM, 0, 0)


class Watermark(msgspec.Struct):
    """One record per partition: everything up to `offset` is in the changelog.

    term, change: whose mark it is, and the number of the changes before it. resume: rejected records of the
    source up to here have been delivered, too. published, recommended: of which changes the vectors are out, and
    the recommendations. books: events by outcome since the beginning of the partition; they balance (see `audit`).
    origins: the highest rank read of each source partition, by stream and partition (see `origins`).
    """

    offset: int
    term: int
    change: int
    resume: int
    published: Claim
    recommended: Claim
    layout: str
    source: SourceTopic
    books: dict[str, int]
    origins: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)

    @classmethod
    def newest(cls, known: Watermark | None, record: bytes) -> Watermark:
        """The higher of a known mark and the one in a record; the order in the log says nothing."""
        return cls.of(record).or_newer(known)

    @classmethod
    def of(cls, record: bytes) -> Watermark:
        """The mark in a record's value."""
        return msgspec.json.decode(record, type=cls)

    def or_newer(self, known: Watermark | None) -> Watermark:
        """The higher of both; this one where they are equal."""
        return self if known is None or self.order >= known.order else known

    @property
    def order(self) -> tuple[int, int, int]:
        """At one offset marks differ by what has been delivered, and by events that waited and do no more."""
        return self.offset, self.term, self.change
