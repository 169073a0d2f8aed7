"""Books records that were removed from the source before they were read, as by retention."""

from __future__ import annotations

from streams.state.store import PartitionState

# In a progress record's books: a number of offsets, not of events, for it is unknown what they held.
REMOVED = "removed"


def book(part: PartitionState, end: int) -> int:
    """The source now begins at offset `end`; returns how many of the removed offsets were not read.

    One progress record both books them and moves the state past them, so that no recovery books them again.
    """
    lost = max(0, end - (part.processed_offset + 1))
    if lost:
        part.books[REMOVED] += lost
        part.processed_offset = end - 1
    return lost
