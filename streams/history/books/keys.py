"""Distinct keys by 64-bit checksum, 8 bytes each. Two of ten million keys collide with a chance of 3 in a million."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

# Checksums that are collected before they are sorted in; more where there are many.
PENDING = 1 << 16
# The value of a key that was never set.
ABSENT = 255


class DistinctKeys:
    """Counts distinct keys."""

    def __init__(self) -> None:
        self._known = np.zeros(0, dtype=np.uint64)
        self._pending = array("Q")

    def add(self, key: bytes | None, partition: int = 0) -> None:
        """Add a key; the same key in another partition counts as another."""
        # As a prefix, for short keys of different seeds collide: xxh3 mixes the seed with up to 3 bytes linearly.
        self._pending.append(xxh3_64_intdigest(partition.to_bytes(4, "little") + (key or b"")))
        if len(self._pending) > max(PENDING, len(self._known) // 2):
            self._settle()

    def __len__(self) -> int:
        self._settle()
        return len(self._known)

    def _settle(self) -> None:
        self._known = np.union1d(self._known, np.frombuffer(self._pending, dtype=np.uint64))
        self._pending = array("Q")


class NewestValues:
    """The newest value of each key, a small number: one byte beside the checksum."""

    def __init__(self) -> None:
        self._keys, self._values = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint8)
        self._pending, self._pending_values = array("Q"), bytearray()

    def put(self, key: bytes | None, value: int) -> None:
        """Set a key's value, 0 to 254."""
        self._pending.append(xxh3_64_intdigest(key or b""))
        self._pending_values.append(value)
        if len(self._pending) > max(PENDING, len(self._keys) // 2):
            self._settle()

    def __len__(self) -> int:
        self._settle()
        return len(self._keys)

    def count(self, value: int) -> int:
        """How many keys have this value."""
        self._settle()
        return int((self._values == value).sum())

    def of(self, keys: Iterable[bytes]) -> npt.NDArray[np.uint8]:
        """(n,) the values of these keys; ABSENT for one that was never set."""
        self._settle()
        asked = np.array([xxh3_64_intdigest(key) for key in keys], dtype=np.uint64)
        found = np.full(len(asked), ABSENT, dtype=np.uint8)
        if len(self._keys):
            index = np.minimum(np.searchsorted(self._keys, asked), len(self._keys) - 1)
            there = self._keys[index] == asked
            found[there] = self._values[index[there]]
        return found

    def _settle(self) -> None:
        keys = np.append(self._keys, np.frombuffer(self._pending, dtype=np.uint64))
        values = np.append(self._values, np.frombuffer(self._pending_values, dtype=np.uint8))
        self._pending, self._pending_values = array("Q"), bytearray()
        # Of equal keys the first in reversed order is the newest.
        self._keys, newest = np.unique(keys[::-1], return_index=True)
        self._values = values[::-1][newest]
