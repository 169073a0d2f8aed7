"""Which items each session had, as far as the items' rings remember it."""

from __future__ import annotations

import numpy as np

from streams.items.layout import SESSIONS
from streams.items.signals import NO_KEY, Keys, Longs
from streams.items.slots import Rows, doubled, plain_slot
from streams.kernels.compiling import compiled
from streams.kernels.items.table import exchange, rehash


class Sessions:
    """The rings turned round: items by session. A session is forgotten with the last item whose ring has it.

    slots, heads, nodes: as in `kernels.items.table.exchange`, for loops that read them.
    """

    def __init__(self) -> None:
        self.slots: Keys = np.zeros(1024, dtype=np.uint64)
        self.heads: Rows = np.zeros(1024, dtype=np.int32)
        self.nodes: Rows = np.zeros((1024, 2), dtype=np.int32)
        # Slots and nodes that were ever used.
        self._used: Longs = np.zeros(2, dtype=np.int64)

    def exchange(self, rows: Longs, before: Keys, after: Keys) -> None:
        """Items (n,), each once, have other rings than before. before, after: (n, SESSIONS)."""
        changed = np.flatnonzero((before != after).any(axis=1))
        rows, before, after = rows[changed], before[changed], after[changed]
        self._make_room(int((before != after).sum()))
        if compiled():
            whole = (np.ascontiguousarray(rows, dtype=np.int64), before, after)
            exchange(*whole, self.slots, self.heads, self.nodes, self._used)
            return
        for row, old, new in zip(rows.tolist(), before.tolist(), after.tolist(), strict=True):
            places = [place for place in range(SESSIONS) if old[place] != new[place]]
            for place in places:
                if old[place] != NO_KEY:
                    self._leave(row, old[place])
            for place in places:
                if new[place] != NO_KEY:
                    self._join(row, new[place])

    def items(self, keys: Keys, most: int) -> tuple[Rows, Longs]:
        """Rows of the items of these sessions (n,), one session after the other, and where each one's end (n,).

        Of each session at most `most`: those that came into it last come first. `kernels.requests.sessions` has the
        compiled loop.
        """
        rows, ends = np.empty(len(keys) * most, dtype=np.int32), np.empty(len(keys), dtype=np.int64)
        number = 0
        for i, key in enumerate(keys.tolist()):
            slot, end = plain_slot(self.slots, key), number + most
            node = int(self.heads[slot]) if self.slots[slot] != NO_KEY and key != NO_KEY else 0
            while node > 0 and number < end:
                rows[number], node = self.nodes[node]
                number += 1
            ends[i] = number
        return rows[:number], ends

    def _make_room(self, more: int) -> None:
        if self._used[1] + more + 1 > len(self.nodes):
            self.nodes = doubled(self.nodes, int(self._used[1]) + more + 1)
        if 2 * (self._used[0] + more) > len(self.slots):
            self._rehash(more)

    def _rehash(self, more: int) -> None:
        """Into a table of which less than a half is used; sessions without an item are left behind."""
        size, needed = len(self.slots), 2 * (int((self.heads > 0).sum()) + more)
        while size < 2 * needed:
            size *= 2
        old, old_heads = self.slots, self.heads
        self.slots, self.heads = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32)
        if compiled():
            self._used[0] = rehash(old, old_heads, self.slots, self.heads)
            return
        kept = np.flatnonzero((old != NO_KEY) & (old_heads > 0)).tolist()
        for place in kept:
            slot = plain_slot(self.slots, int(old[place]))
            self.slots[slot], self.heads[slot] = old[place], old_heads[place]
        self._used[0] = len(kept)

    def _leave(self, row: int, key: int) -> None:
        slot, nodes = plain_slot(self.slots, key), self.nodes
        before, node = -1, int(self.heads[slot])
        while node > 0 and nodes[node, 0] != row:
            before, node = node, int(nodes[node, 1])
        if self.slots[slot] == NO_KEY or node <= 0:
            return
        if before < 0:
            self.heads[slot] = nodes[node, 1]
        else:
            nodes[before, 1] = nodes[node, 1]
        nodes[node, 1] = nodes[0, 1]
        nodes[0, 1] = node

    def _join(self, row: int, key: int) -> None:
        slot, nodes = plain_slot(self.slots, key), self.nodes
        if self.slots[slot] == NO_KEY:
            self.slots[slot], self.heads[slot] = key, 0
            self._used[0] += 1
        node = int(nodes[0, 1])
        if node > 0:
            nodes[0, 1] = nodes[node, 1]
        else:
            self._used[1] += 1
            node = int(self._used[1])
        nodes[node] = row, self.heads[slot]
        self.heads[slot] = node
