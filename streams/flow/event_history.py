"""A user's newest signals, kept in a ring in the state: the fold writes them, reasons are read from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from streams.events.columns.events import Names
from streams.flow.rendering import Quoted, remembered
from streams.interest.base import Longs, Signals
from streams.interest.rounds import Schedule
from streams.kernels.compiling import compiled
from streams.kernels.rings import write_history
from streams.recommend import Catalog
from streams.recommend.base import Rows
from streams.state.users.layout import HISTORY_DTYPE


class EventHistory:
    """Reads and writes the rings. They hold items and actions by checksum; this object knows the words."""

    def __init__(self, length: int, catalog: Catalog, actions: Iterable[str]) -> None:
        """length: of a ring. actions: words to know before an event has them, as those with a rule."""
        self.length, self._catalog = length, catalog
        self._key_of = {action: action_key(action) for action in actions}

    def write(
        self,
        history: Any,
        plan: Schedule,
        signals: Signals,
        actions: Names,
        before: Longs,
        chosen: npt.NDArray[np.bool_],
    ) -> None:
        """Write each user's newest signals into the ring (U, H); a signal without item leaves a gap.

        actions: of the signals. chosen: (n,) true where the weight of the action itself is above 0.
        before: (U,) signals of each user before these; ordinals count on from them.
        """
        action_keys = self._action_keys(actions)
        if compiled():
            write_history(
                *(plan.users, plan.occurrence, plan.counts, before, signals.items, signals.times),
                *(signals.weights, action_keys, chosen.astype(np.uint32), self._catalog.keys),
                *(history[name] for name in HISTORY_DTYPE.names or ()),
            )
            return
        kept = plan.occurrence >= plan.counts[plan.users] - self.length
        users, items = plan.users[kept], signals.items[kept]
        ordinals = before[users] + plan.occurrence[kept]
        entries = np.zeros(len(users), dtype=history.dtype)
        entries["item"][items >= 0] = self._catalog.keys[items[items >= 0]]
        entries["time"], entries["weight"] = signals.times[kept], signals.weights[kept]
        entries["ordinal"] = ordinals
        entries["action"], entries["chosen"] = action_keys[kept], chosen[kept]
        history[users, ordinals % self.length] = entries

    def rows(self, history: Any) -> Rows:
        """(U, H) catalog row of each remembered event; -1 for none."""
        known, row_of_key = history["item"].tolist(), self._catalog.row_of_key
        return np.array([[row_of_key.get(key, -1) for key in keys] for keys in known], dtype=np.int32)

    def rendered(self, history: Any, rows: Rows, quoted: Quoted) -> list[list[str]]:
        """What `rendering.remembered` makes of the ring (U, H). rows: of its items, from `rows`."""
        return remembered(history, rows, self._catalog.item_ids, self.words(), quoted)

    def words(self) -> dict[int, str]:
        """The action word behind each checksum in a ring; those that were never met are not there."""
        return {key: word for word, key in self._key_of.items()}

    def _action_keys(self, actions: Names) -> npt.NDArray[np.uint32]:
        known, found = self._key_of, np.zeros(len(actions.known), dtype=np.uint32)
        for number in actions.used():
            action = actions.known[number]
            if action not in known:
                known[action] = action_key(action)
            found[number] = known[action]
        keys: npt.NDArray[np.uint32] = found[actions.of]
        return keys


def action_key(action: str) -> int:
    """Checksum under which a state remembers an action word."""
    return crc32(action.encode())
