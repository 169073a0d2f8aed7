"""The two-tower vectors of the items of a partition, which follow an item's row in its changelog record."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any

import numpy as np

from streams.interest.base import Longs
from streams.items.slots import doubled
from streams.items.towers import TOWERS_DTYPE, TowerChanges, add

# Version of this format, and the space of the vectors, before a row of TOWERS_DTYPE.
VERSION, HEAD = 1, Struct("<II")


class TowerRows:
    """A row of TOWERS_DTYPE for each row of the store; see `state.variable_parts.VariableParts`."""

    def __init__(self, space: int) -> None:
        """space: see `items.towers.space_of`; what was learned in another one is left out, and the item begins anew."""
        self.space = space
        # Items that were left out by `load`.
        self.left_out = 0
        self._rows: Any = np.zeros(0, dtype=TOWERS_DTYPE)
        self._head = HEAD.pack(VERSION, space)

    def __bool__(self) -> bool:
        return len(self._rows) > 0

    def add(self, rows: Longs, changes: TowerChanges) -> None:
        """Add the changes (n,) to these rows, each once."""
        self._rows = doubled(self._rows, int(rows.max(initial=-1)) + 1)
        add(self._rows, rows, changes)

    def of(self, rows: Longs) -> Any:
        """(n,) copies, of dtype TOWERS_DTYPE."""
        self._rows = doubled(self._rows, int(rows.max(initial=-1)) + 1)
        return self._rows[rows]

    def learned(self, rows: Longs) -> Longs:
        """Those of the rows of whose vectors something was learned."""
        if not self:
            return rows[:0]
        found = self.of(rows)
        known: Longs = rows[(found["uses"] > 0) | (found["squares"] > 0).any(axis=1)]
        return known

    def pack(self, row: int) -> bytes:
        """See VariableParts; empty where nothing was learned."""
        if row >= len(self._rows):
            return b""
        packed: bytes = self._rows[row].tobytes()
        return self._head + packed if packed.strip(b"\0") else b""

    def load(self, packed: Mapping[int, bytes]) -> None:
        """See VariableParts."""
        self._rows = doubled(self._rows, max(packed, default=-1) + 1)
        for row, value in packed.items():
            if value[: HEAD.size] == self._head and len(value) == HEAD.size + TOWERS_DTYPE.itemsize:
                self._rows[row] = np.frombuffer(value, TOWERS_DTYPE, 1, HEAD.size)[0]
            else:
                self.left_out += 1

    def pop_packed(self, row: int) -> bytes:
        """See VariableParts."""
        packed = self.pack(row)
        if packed:
            self._rows[row] = np.zeros((), dtype=TOWERS_DTYPE)
        return packed

    def pinned(self, row: int) -> bool:
        """No: items are never evicted."""
        return False

    def pins(self, packed: bytes) -> bool:
        """No."""
        return False
