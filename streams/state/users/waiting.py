"""Events that wait for their item to enter the catalog."""

from __future__ import annotations

from collections.abc import Set

import msgspec

# Bytes of a waiting event beside the event and its item's id, at most: numbers and lengths.
WAITING_BYTES = 48


class Waiting(msgspec.Struct, array_like=True):
    """An event that waits for its item to enter the catalog."""

    offset: int
    item_id: str
    # When the broker took the record, ms since the epoch; 0 where unknown. The event counts as no later than this.
    recorded: int
    # As canonical JSON.
    event: bytes
    # Of the event's id (see duplicates.event_key).
    key: int


def waiting_bytes(waiting: Waiting) -> int:
    """Bytes that a waiting event adds to its user's changelog record, at most."""
    return WAITING_BYTES + len(waiting.item_id.encode()) + len(waiting.event)


class WaitingEvents:
    """Events that wait for an item to enter the catalog, by user and by item."""

    def __init__(self) -> None:
        # Row -> its events, in the order in which they came.
        self.of_row: dict[int, list[Waiting]] = {}
        # Item id -> rows of the users with an event that waits for it.
        self.rows_by_item: dict[str, set[int]] = {}
        # Row -> bytes that its events add to its record.
        self.bytes_of: dict[int, int] = {}
        self.count = 0

    def add(self, row: int, waiting: Waiting) -> None:
        """Keep an event until its item is known."""
        self.of_row.setdefault(row, []).append(waiting)
        self.rows_by_item.setdefault(waiting.item_id, set()).add(row)
        self.bytes_of[row] = self.bytes_of.get(row, 0) + waiting_bytes(waiting)
        self.count += 1

    def holds(self, row: int, offset: int) -> bool:
        """True where the row's event at this offset waits."""
        return any(waiting.offset == offset for waiting in self.of_row.get(row, ()))

    def up_to(self, offset: int) -> int:
        """Number of waiting events up to this offset."""
        return sum(waiting.offset <= offset for own in self.of_row.values() for waiting in own)

    def waiting_for(self, item_ids: Set[str]) -> list[Waiting]:
        """The events that wait for these items, in log order."""
        rows = {row for item_id in item_ids for row in self.rows_by_item.get(item_id, ())}
        found = [waiting for row in rows for waiting in self.of_row[row] if waiting.item_id in item_ids]
        return sorted(found, key=lambda waiting: waiting.offset)

    def release(self, item_ids: Set[str]) -> None:
        """Remove the events that wait for these items."""
        for row in {row for item_id in item_ids for row in self.rows_by_item.pop(item_id, ())}:
            waiting = self.of_row.pop(row)
            del self.bytes_of[row]
            kept = [event for event in waiting if event.item_id not in item_ids]
            if kept:
                self.of_row[row], self.bytes_of[row] = kept, sum(map(waiting_bytes, kept))
            self.count -= len(waiting) - len(kept)
