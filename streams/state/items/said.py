"""What one record says of the items of a partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.interest.base import Longs
from streams.items.fold import Mask, Numbers, Run
from streams.items.signals import NO_KEY, Floats, ItemSignals, Keys
from streams.items.towers import TowerChanges


@dataclass(frozen=True, slots=True)
class SaidOfItems:
    """n signals of K items, that come from E events of one canonical partition.

    offset: of the record, in the topic of signals. stream, partition: the canonical topic, as "topic/topic id", and the
    partition of it that the events are of. ids, keys: (K,) of the items. offsets, times, sessions: (E,) of the events,
    the offsets rising; the session is that of a use. others, weights: (n,) as in ItemSignals. items, events: (n,) place
    of each signal's item and event; events rise.
    """

    offset: int
    stream: str
    partition: int
    ids: Sequence[str]
    keys: Keys
    offsets: Longs
    times: Longs
    sessions: Keys
    others: Keys
    weights: Floats
    items: Numbers
    events: Numbers

    def run(self, positions: Longs, fresh: Mask) -> Run:
        """To be folded. positions: (K,) state of each item, below 0 to leave it out. fresh: (E,) events that count."""
        of_signals = self.items, self.events, self.others, self.weights
        return Run(positions, self.keys, *of_signals, fresh, self.times, self.sessions)

    @property
    def signals(self) -> ItemSignals:
        """All of them, a row each."""
        items, events = self.keys[self.items], self.events
        sessions = np.where(self.others == NO_KEY, self.sessions[events], np.uint64(NO_KEY))
        return ItemSignals(
            items, self.others, self.weights, self.times[events], sessions, self.offsets[events]
        )

    def __len__(self) -> int:
        """Signals."""
        return len(self.items)


@dataclass(frozen=True, slots=True)
class SaidOfTowers:
    """What one worker has learned of the two-tower vectors of K items of a partition, each once.

    offset: of the record, in the topic of signals. teller, number: of the worker's start, and of the record among its
    own, rising. space: see `items.towers.space_of`. ids, keys: (K,) of the items.
    """

    offset: int
    teller: str
    number: int
    space: int
    ids: Sequence[str]
    keys: Keys
    changes: TowerChanges

    def __len__(self) -> int:
        """Items."""
        return len(self.ids)


Said = SaidOfItems | SaidOfTowers
