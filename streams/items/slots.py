"""Rows by 64-bit key, in a table that compiled loops read."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from streams.items.signals import NO_KEY, Keys
from streams.kernels.compiling import compiled
from streams.kernels.items.table import enter, find

Rows = npt.NDArray[np.int32]
Scalar = TypeVar("Scalar", bound=np.generic)

WORD = 2**64 - 1


class Slots:
    """The row of each key, 0, 1, 2 and on in the order in which they are entered."""

    def __init__(self) -> None:
        self._keys: Keys = np.zeros(1024, dtype=np.uint64)
        self._rows: Rows = np.zeros(1024, dtype=np.int32)
        self._known = 0

    def __len__(self) -> int:
        return self._known

    def enter(self, keys: Keys) -> None:
        """Further keys (n,), none of them known."""
        if 2 * (self._known + len(keys)) > len(self._keys):
            self._grow(self._known + len(keys))
        _enter(np.ascontiguousarray(keys), self._known, self._keys, self._rows)
        self._known += len(keys)

    def rows(self, keys: Keys) -> tuple[Rows, int]:
        """The row of each key, in the shape of `keys`; -1 for none. And how many keys other than NO_KEY have none."""
        found = np.empty(keys.shape, dtype=np.int32)
        if compiled():
            flat = np.ascontiguousarray(keys).reshape(-1)
            return found, int(find(flat, self._keys, self._rows, found.reshape(-1)))
        slots = [plain_slot(self._keys, key) for key in keys.reshape(-1).tolist()]
        there = (self._keys[slots] != NO_KEY).reshape(keys.shape)
        found[...] = np.where(there, self._rows[slots].reshape(keys.shape), -1)
        return found, int((~there & (keys != NO_KEY)).sum())

    def _grow(self, number: int) -> None:
        size = len(self._keys)
        while size < 4 * number:
            size *= 2
        used = np.flatnonzero(self._keys != NO_KEY)
        ordered = np.zeros(self._known, dtype=np.uint64)
        ordered[self._rows[used]] = self._keys[used]
        self._keys, self._rows = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32)
        _enter(ordered, 0, self._keys, self._rows)


def _enter(keys: Keys, first: int, slots: Keys, rows: Rows) -> None:
    if compiled():
        enter(keys, first, slots, rows)
        return
    for row, key in enumerate(keys.tolist(), first):
        if key != NO_KEY:
            slot = plain_slot(slots, key)
            slots[slot], rows[slot] = key, row


def plain_slot(slots: Keys, key: int) -> int:
    """Where a key stands in a table of a power of two of slots, or would stand, without compiled code."""
    mask = len(slots) - 1
    slot = (key * 0x9E3779B97F4A7C15 & WORD) >> 20 & mask
    while slots[slot] not in (NO_KEY, key):
        slot = (slot + 1) & mask
    return slot


def doubled(old: npt.NDArray[Scalar], rows: int, fill: int = 0) -> npt.NDArray[Scalar]:
    """A copy with room for at least so many rows, twice as many as now or more; the new ones are filled up."""
    if rows <= len(old):
        return old
    new = np.full((max(2 * len(old), rows), *old.shape[1:]), fill, dtype=old.dtype)
    new[: len(old)] = old
    return new
