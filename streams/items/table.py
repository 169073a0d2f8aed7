"""What a worker knows of all items, by catalog row: candidate sources read it, whoever follows the items feeds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.items.layout import BLOCK_MS, HALF_LIVES_MS, NEIGHBOURS, RECENT_HALF_LIFE_MS, SESSIONS, States
from streams.items.leaders import Leaders
from streams.items.sessions import Sessions
from streams.items.signals import Floats, Keys, Longs
from streams.items.slots import Rows, Slots, doubled

Doubles = npt.NDArray[np.float64]

HALF_LIVES = np.array(HALF_LIVES_MS, dtype=np.float64)
# The two lists of neighbours, by their place along an axis of 2.
LISTS = ("lasting", "recent")
LASTING, RECENT = 0, 1


class KnownItems(Protocol):
    """Whose rows they are: a `Catalog`. Rows only come on, and keep their keys."""

    @property
    def row_of_key(self) -> Mapping[int, int]:
        """Row of each `item_key`."""
        ...

    @property
    def keys(self) -> Keys:
        """(n,) `item_key` of each row."""
        ...


class ItemTable:
    """One row for each row of the catalog; zeros where nothing was put.

    What is put before the catalog knows the item, or one of its neighbours, is taken in again once it does.
    The model thread owns it, as it owns the catalog; arrays handed out are views of the present content.

    version: rises with each change. latest: time of the newest use of all items, milliseconds.
    """

    def __init__(self, items: KnownItems) -> None:
        self.sessions, self.leaders = Sessions(), Leaders()
        self.version, self.latest = 0, 0
        self._items, self._slots = items, Slots()
        self._waiting: dict[int, States] = {}
        self._uses = np.zeros(0, dtype=np.int64)
        self._newest = np.zeros(0, dtype=np.int64)
        self._sums: Doubles = np.zeros((0, len(HALF_LIVES_MS)))
        self._blocks = np.zeros(0, dtype=np.int64)
        self._neighbours: Rows = np.full((0, 2, NEIGHBOURS), -1, dtype=np.int32)
        self._weights: Floats = np.zeros((0, 2, NEIGHBOURS), dtype=np.float32)
        self._rings: Keys = np.zeros((0, SESSIONS), dtype=np.uint64)
        self.refresh()

    def __len__(self) -> int:
        """Rows: those of the catalog at the last `refresh`."""
        return len(self._slots)

    @property
    def waiting(self) -> int:
        """Items put of which the catalog does not yet know the item or a neighbour."""
        return len(self._waiting)

    @property
    def uses(self) -> Longs:
        """(n,) uses of each item so far."""
        return self._uses[: len(self)]

    @property
    def newest(self) -> Longs:
        """(n,) time of each item's newest use; 0 where it has none."""
        return self._newest[: len(self)]

    @property
    def sums(self) -> Doubles:
        """(n, 6) weights of the uses, decayed to `newest` at each of HALF_LIVES_MS."""
        return self._sums[: len(self)]

    @property
    def blocks(self) -> Longs:
        """(n,) begin of the weights of `recent`, in BLOCK_MS since the epoch."""
        return self._blocks[: len(self)]

    @property
    def neighbours(self) -> Rows:
        """(n, 2, NEIGHBOURS) catalog rows of the neighbours in both lists; -1 for none."""
        return self._neighbours[: len(self)]

    @property
    def weights(self) -> Floats:
        """(n, 2, NEIGHBOURS) their weights; those in `recent` are to be multiplied by `recent_factors`."""
        return self._weights[: len(self)]

    @property
    def rings(self) -> Keys:
        """(n, SESSIONS) keys of the last sessions that had each item; NO_KEY for none."""
        return self._rings[: len(self)]

    def put(self, keys: Keys, states: States) -> None:
        """These items (n,), each once, have these states of dtype ITEM_DTYPE now."""
        self.refresh()
        self._put(np.ascontiguousarray(keys), states)

    def refresh(self) -> None:
        """Take in items that came into the catalog. Costs next to nothing where none did; each source begins by it."""
        keys = self._items.keys
        if len(keys) == len(self):
            return
        self._grow(len(keys))
        self.version += 1
        self._slots.enter(keys[len(self) :])
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            self._put(np.array(list(waiting), dtype=np.uint64), np.concatenate(list(waiting.values())))

    def decayed(self, rows: Rows, at: int) -> Floats:
        """(n, 6) the weights of the uses of these items (n,), decayed to a time, milliseconds; a use after it counts
        whole."""
        elapsed = np.maximum(at - self._newest[rows], 0)
        found: Floats = (self._sums[rows] * np.exp2(-elapsed[:, None] / HALF_LIVES)).astype(np.float32)
        return found

    def recent_factors(self, rows: Rows, at: int) -> Floats:
        """(n,) by what the weights in `recent` of these items are multiplied to be as of a time, milliseconds.

        A time before the begin of an item's block counts as that.
        """
        elapsed = np.maximum(at - self._blocks[rows] * BLOCK_MS, 0)
        return np.exp2(-elapsed / RECENT_HALF_LIFE_MS).astype(np.float32)

    def neighbours_of(self, rows: Rows, at: int) -> tuple[Rows, Floats]:
        """Neighbours of these items (n,) and their weights at a time, (n, 2, NEIGHBOURS) each; -1 and 0 for none."""
        weights = self._weights[rows]
        weights[:, RECENT] *= self.recent_factors(rows, at)[:, None]
        return self._neighbours[rows], weights

    def _put(self, keys: Keys, states: States) -> None:
        rows, _ = self._slots.rows(keys)
        places = np.flatnonzero(rows >= 0)
        lists = [self._slots.rows(states[name][places]) for name in LISTS]
        there, changed = rows[places], states[places]
        self._neighbours[there] = np.stack([found for found, _ in lists], axis=1)
        self._weights[there, LASTING] = changed["lasting_weights"]
        self._weights[there, RECENT] = changed["recent_weights"]
        self._uses[there], self._newest[there] = changed["uses"], changed["newest"]
        self._sums[there], self._blocks[there] = changed["sums"], changed["block"]
        before, after = self._rings[there], changed["sessions"]
        self.sessions.exchange(there.astype(np.int64), before, after)
        self._rings[there] = after
        self.leaders.update(there, changed["sums"], changed["newest"])
        self.version += 1
        self.latest = max(self.latest, int(changed["newest"].max(initial=0)))
        self._keep_waiting(keys, states, rows, any(missing for _, missing in lists))

    def _keep_waiting(self, keys: Keys, states: States, rows: Rows, missing: bool) -> None:
        """Remember those that the catalog does not know whole, and forget them of the others."""
        waits = rows < 0
        if missing:
            for name in LISTS:
                unknown = (self._neighbours[rows, LISTS.index(name)] < 0) & (states[name] != 0)
                waits |= unknown.any(axis=1)
        if not waits.any() and not self._waiting:
            return
        for place, (key, wait) in enumerate(zip(keys.tolist(), waits.tolist(), strict=True)):
            if wait:
                self._waiting[key] = states[place : place + 1].copy()
            else:
                self._waiting.pop(key, None)

    def _grow(self, rows: int) -> None:
        self.leaders.grow(rows)
        for name in ("_uses", "_newest", "_sums", "_blocks", "_weights", "_rings"):
            setattr(self, name, doubled(getattr(self, name), rows))
        self._neighbours = doubled(self._neighbours, rows, fill=-1)
