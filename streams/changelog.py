"""What a changelog record says: one user's whole state, or how far a partition's states go."""

from __future__ import annotations

import msgspec

# A user id holds no control character, so this key can never be a user's.
WATERMARK_KEY = b"\x00watermark"


class Waiting(msgspec.Struct, array_like=True):
    """An event that waits for its item to enter the catalogue."""

    offset: int
    item_id: str
    # Broker's time of the record, milliseconds: the event's own time is never taken as later than it.
    recorded: int
    event: bytes


class SourceTopic(msgspec.Struct, frozen=True):
    """The canonical topic that offsets speak of. topic_id: changes when it is recreated; empty where unknown."""

    topic: str
    partitions: int
    topic_id: str = ""


class Watermark(msgspec.Struct):
    """One record per partition: everything up to `offset` is in the changelog.

    published: every vector and rejected record of events up to here has been delivered, too. recommended: every
    user touched up to here has had a recommendation published since. books: events by outcome since the
    beginning of the partition; they balance (see `audit`). version: counts the marks.
    """

    offset: int
    published: int
    recommended: int
    layout: str
    source: SourceTopic
    books: dict[str, int]
    version: int = 0

    @classmethod
    def newest(cls, known: Watermark | None, record: bytes) -> Watermark:
        """The higher of a known mark and the one in a record; the order in the log says nothing."""
        mark = msgspec.json.decode(record, type=cls)
        return mark if known is None or mark.order >= known.order else known

    @property
    def order(self) -> tuple[int, int, int]:
        """At one offset books differ by events that waited and were applied since, whoever counts the marks."""
        return self.offset, -self.books.get("waiting", 0), self.version
