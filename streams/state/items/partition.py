"""The items of one partition: rows by item id, and how they take in what users' events say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.interest.base import Longs
from streams.items.fold import Numbers, Run, take_in
from streams.items.layout import sound
from streams.items.signals import Keys
from streams.items.slots import Slots
from streams.kernels.compiling import compiled
from streams.kernels.items.arranging import tally
from streams.recommend.catalog import item_key
from streams.state.changelog import Progress
from streams.state.items.layout import ItemLayout
from streams.state.items.origins import Mask, take, take_told
from streams.state.items.said import Said, SaidOfItems, SaidOfTowers
from streams.state.items.towers import TowerRows
from streams.state.store import NO_OFFSET, PartitionState

# Of signals, by what became of them; they balance: `read` is the sum of the others.
READ, APPLIED, REPEATED, RECOVERED = "read", "applied", "repeated", "recovered"
# The same of what workers tell of two-tower vectors, item by item, behind this word; and those of another space, or
# that are no numbers.
OF_TOWERS, REFUSED = "towers_", "refused"
# Rows that a recovery looks at together.
CHECKED = 1 << 14


class Changed(NamedTuple):
    """Rows (m,) to be written, rising; and those of them whose item, and whose two-tower vectors, are to be shown."""

    rows: Longs
    items: Longs
    towers: Longs


class ItemPartition(PartitionState):
    """All items of one partition. Rows change in memory first; `changed` says which are to be written."""

    layout: ItemLayout

    def __init__(self, partition: int, layout: ItemLayout, capacity: int = 1024, space: int = 0) -> None:
        """capacity: items for which room is made at first. space: see `items.towers.space_of`."""
        self.towers = TowerRows(space)
        super().__init__(partition, layout, self.towers, capacity)
        # Rows that have changed since they were written last, each batch's in an array of its own.
        self._changed: list[Longs] = []
        self._moved: list[Longs] = []
        # Items that a recovery emptied.
        self.damaged = 0
        # Up to which offset the last progress record goes.
        self._recorded = NO_OFFSET
        # What is taken and not folded yet, how many signals it has, and up to which offset all is taken.
        self._waiting: list[Said] = []
        self.waiting, self._taken = 0, NO_OFFSET
        # Rows by key, of those that were looked up: a key is found faster than an id.
        self._slots, self._row_of_place = Slots(), np.zeros(0, dtype=np.int64)

    @property
    def resume_offset(self) -> int:
        """Offset of the topic of signals from which to read after a recovery."""
        return self.processed_offset + 1

    @property
    def taken_offset(self) -> int:
        """Up to which offset of the topic of signals all is taken; what waits is not in the rows yet."""
        return max(self.processed_offset, self._taken)

    def misnamed(self, said: Said) -> bool:
        """True where an item that is new here has a key that is not its id's; nobody would find it again."""
        places, _ = self._slots.rows(said.keys)
        keys = said.keys.tolist()
        return any(item_key(said.ids[at]) != keys[at] for at in np.flatnonzero(places < 0).tolist())

    def take(self, said: Sequence[Said], offset: int) -> None:
        """Let what records say wait until `settle`. offset: up to which all is taken with these.

        What many records say is folded at a lower cost, for a row is brought into the cache once for all of it.
        """
        new = [one for one in said if one.offset > self.taken_offset]
        self._waiting += new
        self.waiting += sum(map(len, new))
        self._taken = max(self._taken, offset)

    def settle(self) -> Counter[str]:
        """Fold what waits; returns what became of it."""
        said, self._waiting, self.waiting = self._waiting, [], 0
        outcomes = self.fold(said)
        self.processed_offset = self.taken_offset
        return outcomes

    def fold(self, said: Sequence[Said]) -> Counter[str]:
        """Take in what records say, in the order of their topic; returns what became of it.

        What a row took in before a recovery, behind the last progress record, it does not take in again.
        """
        outcomes, runs = Counter[str](), list[Run]()
        for one in said:
            if one.offset <= self.processed_offset:
                continue
            self.processed_offset = one.offset
            if isinstance(one, SaidOfTowers):
                self._learn(one, outcomes)
                continue
            fresh = take(self.origins, one.stream, one.partition, one.offsets)
            runs.append(self._choose(one, fresh, outcomes))
        if runs:
            # In place: a batch touches most of the rows that are touched at all, and they are long.
            take_in(self.layout.view(self.arena), runs, within="item")
        outcomes[APPLIED] = outcomes[READ] - outcomes[REPEATED] - outcomes[RECOVERED]
        self.books.update(outcomes)
        return outcomes

    def _choose(self, said: SaidOfItems, fresh: Mask, outcomes: Counter[str]) -> Run:
        """The signals of a record that count; the headers of their rows say that they are taken in."""
        counts = np.zeros(len(said.ids), dtype=np.int64)
        (tally if compiled() else _tally)(said.items, said.events, fresh, counts)
        rows = self._rows_of(said.ids, said.keys, counts > 0)
        outcomes[READ] += len(said.items)
        outcomes[REPEATED] += len(said.items) - int(counts.sum())
        spoken = np.flatnonzero(counts)
        held = spoken[self.offsets(rows[spoken]) >= said.offset]
        outcomes[RECOVERED] += int(counts[held].sum())
        counts[held], rows[held] = 0, NO_OFFSET
        taken = np.flatnonzero(counts)
        self._note(rows[taken], counts[taken], said.offset)
        self._changed.append(rows[taken])
        return said.run(rows, fresh)

    def _learn(self, said: SaidOfTowers, outcomes: Counter[str]) -> None:
        """Add up what a worker has learned of vectors."""
        found = Counter[str]()
        repeated = not take_told(self.origins, said.teller, said.number)
        good = said.changes.sound & (said.space == self.towers.space)
        rows = self._rows_of(said.ids, said.keys, good & (not repeated))
        if repeated:
            found[REPEATED] = len(rows)
        else:
            held = good.copy()
            held[good] = self.offsets(rows[good]) >= said.offset
            chosen = np.flatnonzero(good & ~held)
            found[REFUSED], found[RECOVERED] = int((~good).sum()), int(held.sum())
            found[APPLIED] = len(chosen)
            self.towers.add(rows[chosen], said.changes.only(chosen))
            self._note(rows[chosen], np.ones(len(chosen), dtype=np.int64), said.offset)
            self._moved.append(rows[chosen])
        found[READ] = len(rows)
        outcomes.update({OF_TOWERS + name: count for name, count in found.items() if count})

    def _rows_of(self, ids: Sequence[str], keys: Keys, spoken: Mask) -> Longs:
        """The row of each item that is spoken of (K,); of the others, any number."""
        places, _ = self._slots.rows(keys)
        rows = np.append(self._row_of_place, NO_OFFSET)[places]
        if len(new := np.flatnonzero(spoken & (places < 0))):
            rows[new] = self.rows([ids[at] for at in new.tolist()])
            self._slots.enter(keys[new])
            self._row_of_place = np.append(self._row_of_place, rows[new])
        return rows

    def _note(self, rows: Longs, counts: Longs, offset: int) -> None:
        """The rows (m,) take in so many signals each, of the record at an offset."""
        states = self.layout.view(self.arena)
        states["offset"][rows] = offset
        states["applied"][rows] += counts
        states["accepted"][rows] += counts

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
        """Let these rows be written once more, and all of them be shown."""
        for some in rows:
            self._changed.append(some)
            self._moved.append(self.towers.learned(some))

    @property
    def has_changed(self) -> bool:
        """True where rows are to be written, or how far the partition has come."""
        some = any(map(len, (*self._changed, *self._moved)))
        return some or self.taken_offset > self._recorded

    def changed(self) -> Changed:
        """What has changed since it was asked for last; to be written with a progress record. Nothing may wait."""
        self._recorded = self.processed_offset
        items, towers = (self._marked(rows) for rows in (self._changed, self._moved))
        self._changed.clear()
        self._moved.clear()
        rows = items | towers
        return Changed(*map(np.flatnonzero, (rows, items, towers)))

    def _marked(self, changed: Sequence[Longs]) -> Mask:
        marked = np.zeros(len(self.keys), dtype=bool)
        for rows in changed:
            marked[rows] = True
        return marked

    def resume(self, progress: Progress | None, epoch: int, read_to: int) -> None:
        """See PartitionState."""
        super().resume(progress, epoch, read_to)
        self._recorded = self.processed_offset
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Empty the items whose rows cannot have come of signals: somebody else wrote them."""
        states = self.layout.view(self.arena)["item"]
        for first in range(0, len(self.keys), CHECKED):
            some = states[first : min(first + CHECKED, len(self.keys))]
            bad = np.flatnonzero(~sound(some))
            some[bad] = np.zeros((), dtype=some.dtype)
            self.damaged += len(bad)
            if len(bad):
                self._changed.append(first + bad)

    def uses(self) -> dict[str, int]:
        """How often each item was used."""
        counts = self.layout.view(self.arena)["item"]["uses"]
        return {item: int(counts[row]) for item, row in self.row_of.items()}


def _tally(items: Numbers, events: Numbers, fresh: Mask, counts: Longs) -> None:
    """`kernels.items.arranging.tally` without compiled code."""
    np.add.at(counts, items[fresh[events]], 1)
