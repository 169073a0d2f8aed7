"""What a user's state holds beside its row: items consumed, and events that wait.

In a changelog record the row is followed by the length of a MessagePack array of waiting events (uint32), that
array, and the keys of consumed items (uint64 each), all little-endian; by nothing where both are empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from streams.state.users.consumed import Consumed
from streams.state.users.waiting import Waiting, WaitingEvents

# Part of a layout's identity: variable parts of another format must not be read as these.
TAIL_FORMAT = "tails-3"
NOBODY_WAITS = bytes(4)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Waiting]).decode


def waiting_in(tail: bytes) -> list[Waiting]:
    """The waiting events in a packed variable part. Raises msgspec.DecodeError where it holds something else."""
    behind = len(NOBODY_WAITS)
    length = int.from_bytes(tail[:behind], "little")
    return _decode(tail[behind : behind + length]) if length else []


class UserVariableParts:
    """The variable parts of one partition's users; see `state.variable_parts.VariableParts`."""

    def __init__(self, consumed_per_user: int) -> None:
        self.consumed = Consumed(consumed_per_user)
        self.waiting = WaitingEvents()

    def __bool__(self) -> bool:
        return bool(self.consumed) or self.waiting.count > 0

    def pack(self, row: int) -> bytes:
        """The row's variable part as bytes; empty where it has none."""
        consumed, waiting = self.consumed.pack(row), self.waiting.of_row.get(row)
        if not waiting:
            return NOBODY_WAITS + consumed if consumed else b""
        events = _encode(waiting)
        return len(events).to_bytes(4, "little") + events + consumed

    def load(self, packed: Mapping[int, bytes]) -> None:
        """Unpack variable parts by row, for rows that have none yet."""
        load, behind = self.consumed.load, len(NOBODY_WAITS)
        for row, tail in packed.items():
            if tail[:behind] == NOBODY_WAITS:
                load(row, tail[behind:])
            else:
                for waiting in waiting_in(tail):
                    self.waiting.add(row, waiting)
                load(row, tail[behind + int.from_bytes(tail[:behind], "little") :])

    def pop_packed(self, row: int) -> bytes:
        """Remove the variable part of a row without waiting events, and return it packed."""
        tail = self.pack(row)
        self.consumed.forget(row)
        return tail

    def pinned(self, row: int) -> bool:
        """True where an event of the row's user waits: it must be found when its item comes."""
        return row in self.waiting.of_row

    def pins(self, packed: bytes) -> bool:
        """True where an event waits in this packed variable part."""
        return any(packed[: len(NOBODY_WAITS)])
