"""Catalog rows of the items that events are about."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat

import numpy as np

from streams.events.columns.events import Events
from streams.interest.base import NO_ITEM, Longs
from streams.kernels.names import NOT_THERE, WIDTH, enter, find
from streams.recommend import Catalog

# An item that is not in the catalog, beside the catalog's rows and NO_ITEM.
UNKNOWN_ITEM = -2


class ItemRows:
    """Looks items up, by the bytes of their ids where these were not decoded: then no string is made of them.

    What was found is kept in a table of bytes until an item is removed, for rows are never moved. It has no more items
    than the catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._empty()

    def of(self, events: Events) -> Longs:
        """(n,) catalog row of each event's item, NO_ITEM or UNKNOWN_ITEM."""
        given = events.id_bytes
        if given is None or events.decoded_items is not None:
            # NO_NAME finds what stands last.
            known = map(self._catalog.row_of.get, events.items.known, repeat(UNKNOWN_ITEM))
            rows: Longs = np.array([*known, NO_ITEM], dtype=np.int64)[events.items.of]
            return rows
        return self._of_bytes(given.text, given.items)

    def _of_bytes(self, text: bytes, spans: Longs) -> Longs:
        if self._removals != self._catalog.removals:
            self._empty()
        found: Longs = find(np.frombuffer(text, np.uint8), spans, self._slots, self._letters)
        missing = np.flatnonzero(found == NOT_THERE)
        if len(missing):
            ids = [text[begin : begin + length] for begin, length in spans[missing].tolist()]
            row_of = {item_id: self._row(item_id) for item_id in ids}
            found[missing] = [row_of[item_id] for item_id in ids]
            self._enter({item_id: row for item_id, row in row_of.items() if row != UNKNOWN_ITEM})
        return found

    def _row(self, item_id: bytes) -> int:
        return self._catalog.row_of.get(item_id.decode(), UNKNOWN_ITEM)

    def _empty(self) -> None:
        self._removals, self._count, self._bytes = self._catalog.removals, 0, 0
        self._slots = np.zeros((1024, WIDTH), dtype=np.int64)
        self._letters = np.zeros(1 << 14, dtype=np.uint8)

    def _enter(self, row_of: Mapping[bytes, int]) -> None:
        """Let the table have these items."""
        lengths = np.fromiter(map(len, row_of), np.int64, len(row_of))
        joined = b"".join(row_of)
        begins, self._count = self._bytes + np.cumsum(lengths) - lengths, self._count + len(row_of)
        self._make_room(len(joined))
        self._letters[self._bytes : self._bytes + len(joined)] = np.frombuffer(joined, np.uint8)
        self._bytes += len(joined)
        rows = np.fromiter(row_of.values(), np.int64, len(row_of))
        enter(self._letters, np.stack((begins, lengths), axis=1), rows, self._slots)

    def _make_room(self, more_bytes: int) -> None:
        """For as many items as are counted, at most half of the slots being in use, and for more letters."""
        if self._bytes + more_bytes > len(self._letters):
            letters = np.zeros(2 * (self._bytes + more_bytes), dtype=np.uint8)
            letters[: self._bytes], self._letters = self._letters[: self._bytes], letters
        if 2 * self._count > len(self._slots):
            old = self._slots[self._slots[:, 2] > 0]
            self._slots = np.zeros((1 << (2 * self._count).bit_length(), WIDTH), dtype=np.int64)
            enter(
                self._letters, np.ascontiguousarray(old[:, 1:3]), np.ascontiguousarray(old[:, 3]), self._slots
            )
