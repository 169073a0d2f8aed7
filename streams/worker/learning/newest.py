"""Of the records of each item the newest, wherever it stands in the topic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.items.signals import Keys, Longs
from streams.items.slots import doubled
from streams.recommend.catalog import key_of


class Newest:
    """Of each item by id a place, 0, 1, 2 and on; there stand its key, and how new its newest record is."""

    def __init__(self, width: int) -> None:
        """width: numbers that say how new a record is, the first one first."""
        self._places: dict[bytes, int] = {}
        self.keys: Keys = np.zeros(0, dtype=np.uint64)
        self._orders: Longs = np.zeros((0, width), dtype=np.int64)

    def __len__(self) -> int:
        """Items."""
        return len(self._places)

    def places(self, ids: Sequence[bytes]) -> Longs:
        """(n,) place of each item; new ones get the next."""
        known = self._places
        if new := [key for key in dict.fromkeys(ids) if key not in known]:
            known.update(zip(new, range(len(known), len(known) + len(new)), strict=True))
            self.keys = doubled(self.keys, len(known))
            self._orders = doubled(self._orders, len(known), fill=np.iinfo(np.int64).min)
            self.keys[len(known) - len(new) : len(known)] = [key_of(key) for key in new]
        return np.array([known[key] for key in ids], dtype=np.int64)

    def choose(self, places: Longs, orders: Longs) -> Longs:
        """Which of the records (n,) are the newest of their items, and no older than what is known; now they are.

        Of equals the last. places: (n,) of the items. orders: (n, width).
        """
        order = np.lexsort((*orders.T[::-1], places))
        last = order[np.flatnonzero(np.diff(places[order], append=-1))]
        held, given = self._orders[places[last]], orders[last]
        where = np.argmax(held != given, axis=1)  # they differ
        rows = np.arange(len(last))
        chosen: Longs = np.sort(last[held[rows, where] <= given[rows, where]])
        self._orders[places[chosen]] = orders[chosen]
        return chosen
