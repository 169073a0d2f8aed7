"""The items of one partition: rows by item id, and how they take in what users' events say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from streams.interest.base import Longs
from streams.items.fold import update
from streams.items.signals import ItemSignals
from streams.items.slots import Slots
from streams.state.changelog import Progress
from streams.state.items.layout import ItemLayout
from streams.state.items.origins import Mask, take
from streams.state.items.said import SaidOfItems
from streams.state.store import NO_OFFSET, PartitionState


class NoVariableParts:
    """All of an item's state is in its row."""

    def __bool__(self) -> bool:
        return False

    def pack(self, row: int) -> bytes:
        """Nothing."""
        return b""

    def load(self, packed: Mapping[int, bytes]) -> None:
        """Nothing."""

    def pop_packed(self, row: int) -> bytes:
        """Nothing."""
        return b""

    def pinned(self, row: int) -> bool:
        """No."""
        return False

    def pins(self, packed: bytes) -> bool:
        """No."""
        return False


# Of signals, by what became of them; they balance: `read` is the sum of the others.
READ, APPLIED, REPEATED, RECOVERED = "read", "applied", "repeated", "recovered"


class ItemPartition(PartitionState):
    """All items of one partition. Rows change in memory first; `changed` says which are to be written."""

    layout: ItemLayout

    def __init__(self, partition: int, layout: ItemLayout, capacity: int = 1024) -> None:
        """capacity: items for which room is made at first."""
        super().__init__(partition, layout, NoVariableParts(), capacity)
        # Rows that have changed since they were written last, each batch's in an array of its own.
        self._changed: list[Longs] = []
        # Up to which offset the last progress record goes.
        self._recorded = NO_OFFSET
        # Rows by key, of those that were looked up: a key is found faster than an id.
        self._slots, self._row_of_place = Slots(), np.zeros(0, dtype=np.int64)

    @property
    def resume_offset(self) -> int:
        """Offset of the topic of signals from which to read after a recovery."""
        return self.processed_offset + 1

    def fold(self, said: Sequence[SaidOfItems]) -> Counter[str]:
        """Take in what records say, in the order of their topic; returns what became of the signals.

        What a row took in before a recovery, behind the last progress record, it does not take in again.
        """
        outcomes, parts = Counter[str](), list[tuple[Longs, ItemSignals]]()
        for one in said:
            if one.offset <= self.processed_offset:
                continue
            self.processed_offset = one.offset
            fresh = take(self.origins, one.stream, one.partition, one.offsets)
            parts.append(self._choose(one, fresh, outcomes))
        if any(len(rows) for rows, _ in parts):
            # In place: a batch touches most of the rows that are touched at all, and they are long.
            rows = np.concatenate([rows for rows, _ in parts])
            signals = ItemSignals.joined([signals for _, signals in parts])
            update(self.layout.view(self.arena), rows, signals, within="item")
        outcomes[APPLIED] = outcomes[READ] - outcomes[REPEATED] - outcomes[RECOVERED]
        self.books.update(outcomes)
        return outcomes

    def _choose(self, said: SaidOfItems, fresh: Mask, outcomes: Counter[str]) -> tuple[Longs, ItemSignals]:
        """The signals of a record that count, and the row of each; the rows' headers say that they are taken in."""
        chosen = np.flatnonzero(fresh[said.events]) if not fresh.all() else np.arange(len(said.items))
        of = said.items[chosen]
        rows = self._rows_of(said, np.bincount(of, minlength=len(said.ids)) > 0)
        outcomes[READ] += len(said.items)
        outcomes[REPEATED] += len(said.items) - len(of)
        if (held := self.offsets(rows) >= said.offset).any():
            kept = np.flatnonzero(~held[of])
            outcomes[RECOVERED] += len(of) - len(kept)
            chosen, of = chosen[kept], of[kept]
        counts = np.bincount(of, minlength=len(rows))
        self._note(rows[counts > 0], counts[counts > 0], said.offset)
        # Most often all count.
        return rows[of], said.signals if len(of) == len(said.items) else said.signals.only(chosen)

    def _rows_of(self, said: SaidOfItems, spoken: Mask) -> Longs:
        """The row of each item that is spoken of (K,); of the others, any number."""
        places, _ = self._slots.rows(said.keys)
        rows = np.append(self._row_of_place, NO_OFFSET)[places]
        if len(new := np.flatnonzero(spoken & (places < 0))):
            rows[new] = self.rows([said.ids[at] for at in new.tolist()])
            self._slots.enter(said.keys[new])
            self._row_of_place = np.append(self._row_of_place, rows[new])
        return rows

    def _note(self, rows: Longs, counts: Longs, offset: int) -> None:
        """The rows (m,) take in so many signals each, of the record at an offset."""
        states = self.layout.view(self.arena)
        states["offset"][rows] = offset
        states["applied"][rows] += counts
        states["accepted"][rows] += counts
        self.touch(rows)

    def leave(self, rows: Longs) -> None:
        """See PartitionState."""
        super().leave(rows)
        if len(rows):
            self._slots, self._row_of_place = Slots(), np.zeros(0, dtype=np.int64)

    def mark(self, rows: Longs) -> None:
        """Give these rows the number of the change that the next progress record completes."""
        states = self.layout.view(self.arena)
        states["epoch"][rows], states["sequence"][rows] = self.deliveries.epoch, self.sequence + 1
        states["record_offset"][rows] = 0

    def touch(self, *rows: Longs) -> None:
        """Let these rows be written once more."""
        self._changed += [some for some in rows if len(some)]

    @property
    def has_changed(self) -> bool:
        """True where rows are to be written, or how far the partition has come."""
        return bool(self._changed) or self.processed_offset > self._recorded

    def changed(self) -> Longs:
        """(m,) the rows that have changed since they were asked for last; to be written with a progress record."""
        self._recorded = self.processed_offset
        changed = np.zeros(len(self.keys), dtype=bool)
        for rows in self._changed:
            changed[rows] = True
        self._changed.clear()
        return np.flatnonzero(changed)

    def resume(self, progress: Progress | None, epoch: int, read_to: int) -> None:
        """See PartitionState."""
        super().resume(progress, epoch, read_to)
        self._recorded = self.processed_offset

    def uses(self) -> dict[str, int]:
        """How often each item was used."""
        counts = self.layout.view(self.arena)["item"]["uses"]
        return {item: int(counts[row]) for item, row in self.row_of.items()}
