"""Which record of a source a record of ours was made of, and sets of such origins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.events.provenance import CONNECT, INDEX, ORIGIN, REASON, TOPIC_ID
from streams.history.books.offsets import OffsetSet

# As canonical records of earlier versions tell it.
EARLIER = ("interestflow.source.topic", "interestflow.source.partition", "interestflow.source.offset")
# An event's offset and its index within the record, in one number: far more events than a record can hold.
INDEX_BITS = 24

Headers = Sequence[tuple[str, bytes]] | None


class Origin(NamedTuple):
    """event: its index within the record. topic_id: of the source topic; empty where it was not told."""

    topic: str
    partition: int
    offset: int
    event: int = 0
    topic_id: str = ""


def canonical_origin(headers: Headers) -> Origin | None:
    """What a canonical record says of where it came from; None where it says nothing, or nothing of ours."""
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
    """Which record a rejected one was, and the reason; None where it says nothing, or nothing of ours."""
    found: Any = dict(headers or ())
    try:
        topic, partition, offset, reason = (found[name].decode() for name in (*CONNECT, REASON))
        index, topic_id = int(found.get(INDEX, b"0")), found.get(TOPIC_ID, b"").decode()
        return Origin(topic, int(partition), int(offset), index, topic_id), reason
    except (KeyError, ValueError, AttributeError):
        return None


class Told:
    """Origins of one source partition: of records as a whole or their first event, and of further events."""

    def __init__(self) -> None:
        self.first, self.further = OffsetSet(), OffsetSet()

    def add(self, origin: Origin) -> None:
        """Take one in, whether it is there already or not."""
        if origin.event:
            self.further.add(origin.offset << INDEX_BITS | origin.event)
        else:
            self.first.add(origin.offset)

    @property
    def repeats(self) -> int:
        """How often one came that was there already."""
        return self.first.added + self.further.added - len(self)

    def __len__(self) -> int:
        return len(self.first) + len(self.further)

    def records(self) -> OffsetSet:
        """Offsets of the records that at least one event is of."""
        return self.first | self.further.over(1 << INDEX_BITS)

    def both(self, other: Told) -> OffsetSet:
        """Offsets of the records of which the same event is in both."""
        return (self.first & other.first) | (self.further & other.further).over(1 << INDEX_BITS)
