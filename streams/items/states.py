"""All items' states in one process, for whoever folds without Kafka: evaluation and tests."""

from __future__ import annotations

import numpy as np

from streams.items.fold import update
from streams.items.layout import States, empty
from streams.items.signals import NO_KEY, ItemSignals, Keys, Longs
from streams.items.slots import Slots, doubled
from streams.items.table import ItemTable


class ItemStates:
    """Owns the state of each item by key, in the order in which they first appear."""

    def __init__(self, table: ItemTable | None = None) -> None:
        """table: takes what changes, at once."""
        self.table = table
        self._slots = Slots()
        self._states, self._keys = empty(1024), np.zeros(1024, dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def keys(self) -> Keys:
        """(n,) `item_key` of each state."""
        return self._keys[: len(self)]

    @property
    def states(self) -> States:
        """(n,) dtype ITEM_DTYPE: a view of the present content."""
        return self._states[: len(self)]

    def fold(self, signals: ItemSignals) -> Keys:
        """Take in signals in their order; returns the keys (m,) of the items whose states changed, each once."""
        keys, place = np.unique(signals.items, return_inverse=True)
        rows = self._rows(keys)
        touched = self._states[rows]
        update(touched, place.astype(np.int64), signals)
        self._states[rows] = touched
        if self.table is not None:
            self.table.put(keys, touched)
        return keys

    def of(self, keys: Keys) -> States:
        """(n,) copies of the states of these items; empty ones for those without any."""
        rows, _ = self._slots.rows(keys)
        found = self._states[np.maximum(rows, 0)]
        found[rows < 0] = empty(1)[0]
        return found

    def _rows(self, keys: Keys) -> Longs:
        rows, missing = self._slots.rows(keys)
        if missing:
            new = keys[(rows < 0) & (keys != NO_KEY)]
            before, after = len(self), len(self) + len(new)
            self._states, self._keys = doubled(self._states, after), doubled(self._keys, after)
            self._keys[before:after] = new
            self._slots.enter(new)
            rows, _ = self._slots.rows(keys)
        return rows.astype(np.int64)
