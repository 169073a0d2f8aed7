"""The items that each user consumed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


class Consumed:
    """Keys of the items that each user consumed, oldest first, the newest `limit` of them.

    They stay packed, 8 bytes each, until their user has an event again: after a recovery most users have none for
    long. From then on a dictionary is kept beside the packed form, which every change of the user writes.
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
        """The row's keys, 8 bytes each, little-endian."""
        return bytes(self._packed.get(row, b""))

    def load(self, row: int, packed: bytes) -> None:
        """Load what `pack` returned, for a row that has none yet."""
        if packed:
            self._packed[row] = bytearray(packed)

    def forget(self, row: int) -> None:
        """Remove the row's items."""
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
