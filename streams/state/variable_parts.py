"""What follows a row in its changelog record, because it has no fixed size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class VariableParts(Protocol):
    """The variable parts of a partition's rows, by row; what they hold is the business of the rows' owner."""

    def __bool__(self) -> bool:
        """True where any row may have a variable part."""
        ...

    def pack(self, row: int) -> bytes:
        """The row's variable part as bytes; empty where it has none."""
        ...

    def load(self, packed: Mapping[int, bytes]) -> None:
        """Unpack variable parts by row, for rows that have none yet."""
        ...

    def pop_packed(self, row: int) -> bytes:
        """Remove the variable part of a row that leaves memory, and return it packed."""
        ...

    def pinned(self, row: int) -> bool:
        """True where the row's variable part keeps the row in memory."""
        ...

    def pins(self, packed: bytes) -> bool:
        """True where a row with this packed variable part stays in memory."""
        ...


class PackedVariableParts(dict[int, bytes]):
    """Packed variable parts by row while a state is restored: most are replaced many times before one is needed."""

    def __init__(self, pins: Callable[[bytes], bool]) -> None:
        """pins: as `VariableParts.pins`."""
        super().__init__()
        self._pins = pins

    def pinned(self, row: int) -> bool:
        """As `VariableParts.pinned`."""
        return self._pins(self.get(row, b""))

    def pop_packed(self, row: int) -> bytes:
        """As `VariableParts.pop_packed`."""
        return self.pop(row, b"")

    def load(self, packed: Mapping[int, bytes]) -> None:
        """As `VariableParts.load`."""
        self.update(packed)
