"""Which record of a source a record of ours was made of, and sets of such origins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.events.provenance import CONNECT, INDEX, ORIGIN, REASON, TOPIC_ID
from streams.history.books.offsets import OffsetSet

# The headers by which canonical records of earlier versions name it.
EARLIER = ("interestflow.source.topic", "interestflow.source.partition", "interestflow.source.offset")
# An event's offset and its index within the record, in one number: far more events than a record can hold.
INDEX_BITS = 24

Headers = Sequence[tuple[str, bytes]] | None


class Origin(NamedTuple):
    """The record of a raw source, and which of its events."""

    topic: str
    partition: int
    offset: int
    # Index of the event within the record.
    event: int = 0
    # Empty where it is unknown.
    topic_id: str = ""


def canonical_origin(headers: Headers) -> Origin | None:
    """The origin in a canonical record's headers; None where there is none, or none of ours."""
    found: Any = dict(headers or ())
    try:
        if (given := found.get(ORIGIN)) is None:
            topic, partition, offset = (found[name].decode() for name in EARLIER)
            return Origin(topic, int(partition), int(offset))
        topic, topic_id, _, partition, offset, index = given.decode().split("/")
        return Origin(topic, int(partition), int(offset), int(index), topic_id)
    except (KeyError, ValueError, AttributeError):
        return None


def rejected_origin(headers: Headers) -> tuple[Origin, str] | None:
    """The origin in a rejected record's headers, and the reason; None where there is none, or none of ours."""
    found: Any = dict(headers or ())
    try:
        topic, partition, offset, reason = (found[name].decode() for name in (*CONNECT, REASON))
        index, topic_id = int(found.get(INDEX, b"0")), found.get(TOPIC_ID, b"").decode()
        return Origin(topic, int(partition), int(offset), index, topic_id), reason
    except (KeyError, ValueError, AttributeError):
        return None


class OriginSet:
    """Origins of one source partition."""

    def __init__(self) -> None:
        # Offsets of records, as a whole or by their first event.
        self.first = OffsetSet()
        # Further events, each as offset and index in one number.
        self.further = OffsetSet()

    def add(self, origin: Origin) -> None:
        """Add an origin; one that is there already counts as a repeat."""
        if origin.event:
            self.further.add(origin.offset << INDEX_BITS | origin.event)
        else:
            self.first.add(origin.offset)

    @property
    def repeats(self) -> int:
        """How often an origin was added that was there already."""
        return self.first.added + self.further.added - len(self)

    def __len__(self) -> int:
        return len(self.first) + len(self.further)

    def records(self) -> OffsetSet:
        """Offsets of the records with at least one event in the set."""
        return self.first | self.further.over(1 << INDEX_BITS)

    def both(self, other: OriginSet) -> OffsetSet:
        """Offsets of the records with an event that is in both sets."""
        return (self.first & other.first) | (self.further & other.further).over(1 << INDEX_BITS)
