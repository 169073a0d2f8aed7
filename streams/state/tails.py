"""What users' states hold beside their rows, because it has no fixed size: items consumed, events that wait.

In a changelog record a tail follows the row: the length of a MessagePack array of waiting events (uint32), that
array, then the keys of consumed items (uint64 each); all little-endian, and nothing at all where both are empty.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Set

import msgspec

from streams.state.changelog import Waiting

# Part of a layout's identity, for tails of another format must not be read as these.
TAIL_FORMAT = "tails-3"
NOBODY_WAITS = bytes(4)

# Of a waiting event beside its bytes and its item's id, at most: numbers and lengths.
WAITING_BYTES = 48

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Waiting]).decode


def waiting_in(tail: bytes) -> list[Waiting]:
    """The waiting events in a row's tail. Raises msgspec.DecodeError where it is none."""
    behind = len(NOBODY_WAITS)
    length = int.from_bytes(tail[:behind], "little")
    return _decode(tail[behind : behind + length]) if length else []


class Consumed:
    """Keys of the items that each user consumed, oldest first, the newest `limit` of them.

    They stay packed, 8 bytes each, until their user is seen again: most users of a recovery are not, for long.
    From then on a dictionary answers what is in, beside the packed form, which every change of a user writes.
    """

    def __init__(self, limit: int) -> None:
        """limit: items per user; beyond it the oldest is forgotten."""
        self.limit = limit
        self._packed: dict[int, bytearray] = {}
        self._keys: dict[int, dict[int, None]] = {}

    def add(self, row: int, key: int) -> None:
        """The row's user consumed the item of this key."""
        keys = self._opened(row)
        if key in keys:
            return
        packed = self._packed[row]
        keys[key] = None
        packed += key.to_bytes(8, "little")
        if len(keys) > self.limit:
            del keys[next(iter(keys))]
            del packed[:8]

    def keys(self, row: int) -> Iterable[int]:
        """Item keys of the row's user."""
        return self._opened(row) if row in self._packed else ()

    def pack(self, row: int) -> bytes:
        """As `load` takes them."""
        return bytes(self._packed.get(row, b""))

    def load(self, row: int, packed: bytes) -> None:
        """Take what `pack` gave, of a row that has none yet."""
        if packed:
            self._packed[row] = bytearray(packed)

    def forget(self, row: int) -> None:
        """The row is nobody's any more."""
        self._packed.pop(row, None)
        self._keys.pop(row, None)

    def __bool__(self) -> bool:
        return bool(self._packed)

    def _opened(self, row: int) -> dict[int, None]:
        found = self._keys.get(row)
        if found is None:
            keys = array("Q")
            keys.frombytes(bytes(self._packed.setdefault(row, bytearray())))
            found = self._keys[row] = dict.fromkeys(keys)
        return found


def waiting_bytes(waiting: Waiting) -> int:
    """What an event that waits adds to its user's changelog record, at most."""
    return WAITING_BYTES + len(waiting.item_id.encode()) + len(waiting.event)


class WaitingRoom:
    """Events that wait for an item to enter the catalogue, by user and by item."""

    def __init__(self) -> None:
        self.of_row: dict[int, list[Waiting]] = {}
        # Item id -> rows of the users with an event that waits for it.
        self.rows_by_item: dict[str, set[int]] = {}
        # Row -> bytes of its events.
        self.bytes_of: dict[int, int] = {}
        self.count = 0

    def add(self, row: int, waiting: Waiting) -> None:
        """Keep an event until its item is known."""
        self.of_row.setdefault(row, []).append(waiting)
        self.rows_by_item.setdefault(waiting.item_id, set()).add(row)
        self.bytes_of[row] = self.bytes_of.get(row, 0) + waiting_bytes(waiting)
        self.count += 1

    def holds(self, row: int, offset: int) -> bool:
        """True while the row's event of this offset waits."""
        return any(waiting.offset == offset for waiting in self.of_row.get(row, ()))

    def up_to(self, offset: int) -> int:
        """How many events wait that stand no later than this in the log."""
        return sum(waiting.offset <= offset for own in self.of_row.values() for waiting in own)

    def waiting_for(self, item_ids: Set[str]) -> list[Waiting]:
        """The events that wait for one of these items, in log order."""
        rows = {row for item_id in item_ids for row in self.rows_by_item.get(item_id, ())}
        found = [waiting for row in rows for waiting in self.of_row[row] if waiting.item_id in item_ids]
        return sorted(found, key=lambda waiting: waiting.offset)

    def release(self, item_ids: Set[str]) -> None:
        """Let no event wait for these items any more."""
        for row in {row for item_id in item_ids for row in self.rows_by_item.pop(item_id, ())}:
            waiting = self.of_row.pop(row)
            del self.bytes_of[row]
            kept = [event for event in waiting if event.item_id not in item_ids]
            if kept:
                self.of_row[row], self.bytes_of[row] = kept, sum(map(waiting_bytes, kept))
            self.count -= len(waiting) - len(kept)


class Unread(dict[int, bytes]):
    """Tails by row of a state that is being read back, unpacked at the end: most are replaced many times before."""

    def waits(self, row: int) -> bool:
        """True where an event of the row's user waits for its item."""
        return self.get(row, NOBODY_WAITS)[: len(NOBODY_WAITS)] != NOBODY_WAITS

    def take_out(self, row: int) -> bytes:
        """The row's tail, which is kept elsewhere from now on."""
        return self.pop(row, b"")

    def load(self, tails: Mapping[int, bytes]) -> None:
        """Take tails of rows that have none."""
        self.update(tails)


class Tails:
    """Both, and how they follow a row in its changelog record."""

    def __init__(self, consumed_per_user: int) -> None:
        self.consumed = Consumed(consumed_per_user)
        self.waiting = WaitingRoom()

    def __bool__(self) -> bool:
        return bool(self.consumed) or self.waiting.count > 0

    def pack(self, row: int) -> bytes:
        """The row's tail; empty where it has none."""
        consumed, waiting = self.consumed.pack(row), self.waiting.of_row.get(row)
        if not waiting:
            return NOBODY_WAITS + consumed if consumed else b""
        events = _encode(waiting)
        return len(events).to_bytes(4, "little") + events + consumed

    def waits(self, row: int) -> bool:
        """True where an event of the row's user waits for its item."""
        return row in self.waiting.of_row

    def take_out(self, row: int) -> bytes:
        """The tail of a row without waiting events, which is kept elsewhere from now on."""
        tail = self.pack(row)
        self.consumed.forget(row)
        return tail

    def load(self, tails: Mapping[int, bytes]) -> None:
        """Take what `pack` gave, by row, none of which may have a tail yet."""
        load, behind = self.consumed.load, len(NOBODY_WAITS)
        for row, tail in tails.items():
            if tail[:behind] == NOBODY_WAITS:
                load(row, tail[behind:])
            else:
                for waiting in waiting_in(tail):
                    self.waiting.add(row, waiting)
                load(row, tail[behind + int.from_bytes(tail[:behind], "little") :])
