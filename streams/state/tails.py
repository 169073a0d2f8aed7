"""What follows a row in its changelog record, because it has no fixed size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class Tails(Protocol):
    """The tails of a partition's rows, by row; what they hold is the business of the rows' owner."""

    def __bool__(self) -> bool:
        """True where any row may have a tail."""
        ...

    def pack(self, row: int) -> bytes:
        """The row's tail as bytes; empty where it has none."""
        ...

    def load(self, packed: Mapping[int, bytes]) -> None:
        """Unpack tails by row, for rows that have none yet."""
        ...

    def pop_packed(self, row: int) -> bytes:
        """Remove the tail of a row that leaves memory, and return it packed."""
        ...

    def pinned(self, row: int) -> bool:
        """True where the row's tail keeps the row in memory."""
        ...

    def pins(self, packed: bytes) -> bool:
        """True where a row with this packed tail stays in memory."""
        ...


class PackedTails(dict[int, bytes]):
    """Packed tails by row while a state is restored: most are replaced many times before one is needed."""

    def __init__(self, pins: Callable[[bytes], bool]) -> None:
        """pins: as `Tails.pins`."""
        super().__init__()
        self._pins = pins

    def pinned(self, row: int) -> bool:
        """As `Tails.pinned`."""
        return self._pins(self.get(row, b""))

    def pop_packed(self, row: int) -> bytes:
        """As `Tails.pop_packed`."""
        return self.pop(row, b"")

    def load(self, packed: Mapping[int, bytes]) -> None:
        """As `Tails.load`."""
        self.update(packed)
