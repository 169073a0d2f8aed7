"""The two-tower vectors of items, learned by all workers together: each tells what it has learned, the owners of the
items add it up, and all follow.

Every so often a worker writes to the topic of signals by how much its vectors have moved. Whoever owns the items adds
that to their states, each record once (see `state.items.partition`), and writes the sums to the topic of what was
learned. Every worker's vectors are the items' content and these sums; on top of them is what it has told and is not in
them yet, and what it has not told.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from sinks.base import Delivery, Log
from sinks.partitioning import partitions_of
from streams.catalog.learned import ORDER
from streams.catalog.learned_towers import read_learned_towers
from streams.flow.learning.tower_records import TowerWriter
from streams.items.signals import Longs
from streams.items.towers import TowerChanges
from streams.recommend import Catalog
from streams.recommend.base import Mask, Rows
from streams.recommend.towers.item_towers import ItemTowers
from streams.worker.learning.newest import Newest

log = logging.getLogger(__name__)

# Items of which a worker tells at once, those that moved furthest: so many, and so many more for each use that it has
# learned from meanwhile, but no more than these. A use moves some hundred items, nearly all of them a little, and each
# that is told costs 5 KB in topics.
TOLD, TOLD_PER_USE, MOST_TOLD = 20, 4, 1000
# Of a worker's records that are under way the newest so many are on top of what is followed.
UNDER_WAY = 512


class NoTowers:
    """Of a worker whose recommender has no such vectors."""

    # That the vectors have learned from, here and elsewhere.
    uses = 0
    # Items of which something was learned that is not told; and, with them, those whose owner has not added it up.
    unsent = unmerged = 0

    def share(self, partitions: int, whole: bool = False) -> list[Delivery]:
        """Tell what was learned since the last call. partitions: of items. whole: all of it, at whatever cost."""
        return []

    def follow(self, ids: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Go on from what was added up. ids, values: of items' records, in the order of the topic."""


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """A record that was told. rows: (n,) rising. left: (n,) true for those that no sum that was followed holds yet."""

    delivery: Delivery
    rows: Rows
    changes: TowerChanges
    left: Mask

    @property
    def offset(self) -> float:
        """Of the record; infinite while nobody knows."""
        done = self.delivery.done() and self.delivery.exception() is None
        return self.delivery.result()[0] if done else inf

    def find(self, rows: Rows) -> tuple[Longs, Longs]:
        """Which of these rows it tells of, and the places of these in it."""
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        there = np.flatnonzero(self.rows[places] == rows)
        return there, places[there]


class SharedTowers(NoTowers):
    """Of one worker; on the model thread."""

    def __init__(
        self, towers: ItemTowers, catalog: Catalog, sink: Log, writer: TowerWriter, generation: int
    ) -> None:
        """writer: makes the records that are told."""
        self.towers, self._catalog, self._sink, self._writer = towers, catalog, sink, writer
        self._generation, self._newest = generation, Newest(len(ORDER))
        self._under_way: deque[_Told] = deque(maxlen=UNDER_WAY)
        # Sums by the key of their item that are not taken in yet: nobody knows the item here, or whether a record that
        # is under way is in them.
        self._waiting: dict[int, Any] = {}
        self._unsure, self._items = False, 0
        self._told_of_others = False
        towers.share()

    @property
    def uses(self) -> int:  # type: ignore[override]  # read-only here
        """See NoTowers; any thread."""
        return self.towers.uses

    @property
    def unsent(self) -> int:  # type: ignore[override]  # read-only here
        """See NoTowers; any thread."""
        return self.towers.unsent

    def share(self, partitions: int, whole: bool = False) -> list[Delivery]:
        """See NoTowers."""
        self._retry()
        found = list[Delivery]()
        if partitions > 0 and self.towers.unsent:
            found = self._tell(partitions, whole)
        self._count()
        return found

    def _tell(self, partitions: int, whole: bool) -> list[Delivery]:
        most = min(MOST_TOLD, TOLD + TOLD_PER_USE * self.towers.lessons)
        rows, changes = self.towers.take(None if whole else most)
        ids, keys = [self._catalog.item_ids[row] for row in rows.tolist()], self._catalog.keys[rows]
        where, found = partitions_of([name.encode() for name in ids], partitions), list[Delivery]()
        for group, own in self._writer.groups(ids, keys, where, changes):
            found.append(self._sink.publish([group]))
            left = np.ones(len(own), dtype=np.bool_)
            self._under_way.append(_Told(found[-1], rows[own], changes.only(own), left))
        return found

    def follow(self, ids: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """See NoTowers. What was learned with another encoder is left out, and said once."""
        self._retry()
        found, at = read_learned_towers(values)
        good = found["space"] == self._writer.space
        if not good.all() and not self._told_of_others:
            self._told_of_others = True
            log.warning(
                "two-tower vectors in the topic were learned with another encoder, projection or version of "
                "InterestFlow: they are left out, and ours begin at the items' content"
            )
        found, own = found[good], [ids[index] for index in at[good].tolist()]
        orders = np.stack([found[name] for name in ORDER], axis=1).reshape(-1, len(ORDER))
        places = self._newest.places(own)
        chosen = self._newest.choose(places, orders)
        self._take_in(self._newest.keys[places[chosen]].tolist(), found[chosen])
        self._count()

    def _take_in(self, keys: Sequence[int], records: Any) -> None:
        """Take in what can be, of items (n,), each once, of dtype LEARNED_TOWERS_DTYPE; the others wait."""
        known = self._catalog.row_of_key
        rows = np.array([known.get(key, -1) for key in keys], dtype=np.int32)
        unsure = np.zeros(len(rows), dtype=np.bool_)
        for told in self._under_way:
            if told.offset == inf:
                unsure[told.find(rows)[0]] = True
        ready = (rows >= 0) & ~unsure
        self._unsure |= bool(unsure.any())
        for at, key in enumerate(keys):
            if not ready[at]:
                self._waiting[key] = records[at].copy()
            elif self._waiting:
                self._waiting.pop(key, None)
        if ready.any():
            self._put(rows[ready], records[ready])

    def _put(self, rows: Rows, records: Any) -> None:
        uses, squares = records["uses"].astype(np.int64), records["squares"].astype(np.float32)
        sums = records["sums"].astype(np.float32)
        # Offsets of another generation are of another topic.
        offsets = np.where(records["generation"] == self._generation, records["offset"], -1)
        for told in self._under_way:
            there, places = told.find(rows)
            told.left[places[offsets[there] >= told.offset]] = False
            there, places = there[told.left[places]], places[told.left[places]]
            uses[there] += told.changes.uses[places]
            squares[there] += told.changes.squares[places]
            sums[there] += told.changes.vectors[places].astype(np.float32)
        for told in [one for one in self._under_way if not one.left.any()]:
            self._under_way.remove(told)
        self.towers.follow(self._catalog)
        self.towers.put(rows, uses, squares, sums)

    def _retry(self) -> None:
        """Take in what waited, where it may be known now what it waits for."""
        items = len(self._catalog.item_ids)
        if self._waiting and (self._unsure or items != self._items):
            waiting, self._waiting, self._unsure = self._waiting, {}, False
            self._take_in(list(waiting), np.stack(list(waiting.values())))
        self._items = items

    def _count(self) -> None:
        self.unmerged = self.unsent + sum(int(told.left.sum()) for told in self._under_way)
