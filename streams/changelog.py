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


class Watermark(msgspec.Struct):
    """One record per partition: everything up to `offset` is in the changelog.

    version: counts the marks, since an event that waited is applied without a higher offset. recommended:
    every user touched up to this offset has had a recommendation published since. books: events by outcome
    since the beginning of the partition; they balance (see `audit`).
    """

    offset: int
    recommended: int
    layout: str
    source: str
    partitions: int
    books: dict[str, int]
    version: int = 0

    @classmethod
    def newest(cls, known: Watermark | None, record: bytes) -> Watermark:
        """The higher of a known mark and the one in a record; the order in the log says nothing."""
        mark = msgspec.json.decode(record, type=cls)
        if known is None or (mark.offset, mark.version) >= (known.offset, known.version):
            return mark
        return known
