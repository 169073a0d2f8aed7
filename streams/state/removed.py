"""What was removed from the canonical topic before it was read, as by retention: in the books, by offsets."""

from __future__ import annotations

from streams.state.store import PartitionState

# In a mark's books: an amount of offsets, not of events, for nobody can tell any more what stood there.
REMOVED = "removed"


def book(part: PartitionState, end: int) -> int:
    """The source begins at offset `end`, and what stood before is gone; returns how many of these were not read.

    The state goes beyond them with the same mark that books them, so that no recovery books them again.
    """
    lost = max(0, end - (part.watermark + 1))
    if lost:
        part.books[REMOVED] += lost
        part.watermark = end - 1
    return lost
