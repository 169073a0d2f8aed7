"""The items of one partition: rows by item id, and how they take in what users' events say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from streams.interest.base import Longs
from streams.interest.rounds import distinct
from streams.items.fold import update
from streams.items.signals import ItemSignals
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

    @property
    def resume_offset(self) -> int:
        """Offset of the topic of signals from which to read after a recovery."""
        return self.processed_offset + 1

    def fold(self, said: Sequence[SaidOfItems]) -> Counter[str]:
        """Take in what records say, in the order of their topic; returns what became of the signals.

        What a row took in before a recovery, behind the last progress record, it does not take in again.
        """
        outcomes, parts = Counter[str](), list[tuple[Longs, Longs, ItemSignals]]()
        for one in said:
            if one.offset <= self.processed_offset:
                continue
            self.processed_offset = one.offset
            outcomes[READ] += len(one.signals)
            fresh = take(self.origins, one.stream, one.partition, one.offsets)[one.events]
            outcomes[REPEATED] += len(fresh) - int(np.count_nonzero(fresh))
            rows = self._rows_of(one, fresh)
            held = self.offsets(rows) >= one.offset
            outcomes[RECOVERED] += int(np.count_nonzero(held))
            chosen = np.flatnonzero(fresh)[~held]
            parts.append((rows[~held], np.full(len(chosen), one.offset), one.signals.only(chosen)))
        self._take_in(parts)
        outcomes[APPLIED] = outcomes[READ] - outcomes[REPEATED] - outcomes[RECOVERED]
        self.books.update(outcomes)
        return outcomes

    def _rows_of(self, said: SaidOfItems, fresh: Mask) -> Longs:
        """The row of the item of each fresh signal."""
        of = said.items[fresh]
        spoken = np.zeros(len(said.ids), dtype=bool)
        spoken[of] = True
        rows = np.zeros(len(said.ids), dtype=np.int64)
        rows[spoken] = self.rows([said.ids[at] for at in np.flatnonzero(spoken).tolist()])
        return rows[of]

    def _take_in(self, parts: Sequence[tuple[Longs, Longs, ItemSignals]]) -> None:
        """parts: of each record, the row of each signal, the record's offset for each, and the signals."""
        if not any(len(rows) for rows, _, _ in parts):
            return
        rows, offsets = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:2])
        signals = ItemSignals.joined([signals for _, _, signals in parts])
        touched, position = distinct(rows)
        # In place: a batch touches most of the rows that are touched at all, and they are long.
        states = self.layout.view(self.arena)
        update(states, rows, signals, within="item")
        counts = np.bincount(position, minlength=len(touched))
        last = np.zeros(len(touched), dtype=np.int64)
        np.maximum.at(last, position, offsets)
        states["offset"][touched] = last
        states["applied"][touched] += counts
        states["accepted"][touched] += counts
        self._changed.append(touched)

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
        rows = np.unique(np.concatenate(self._changed)) if self._changed else np.zeros(0, dtype=np.int64)
        self._changed.clear()
        return rows

    def resume(self, progress: Progress | None, epoch: int, read_to: int) -> None:
        """See PartitionState."""
        super().resume(progress, epoch, read_to)
        self._recorded = self.processed_offset

    def uses(self) -> dict[str, int]:
        """How often each item was used."""
        counts = self.layout.view(self.arena)["item"]["uses"]
        return {item: int(counts[row]) for item, row in self.row_of.items()}
