"""What one record says of the items of a partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.interest.base import Longs
from streams.items.signals import ItemSignals, Keys
from streams.items.towers import TowerChanges


@dataclass(frozen=True, slots=True)
class SaidOfItems:
    """n signals of K items, that come from E events of one canonical partition.

    offset: of the record, in the topic of signals. stream, partition: the canonical topic, as "topic/topic id", and the
    partition of it that the events are of. ids, keys: (K,) of the items. items, events: (n,) place of each signal's
    item and event; events rise. offsets: (E,) of the events, rising.
    """

    offset: int
    stream: str
    partition: int
    ids: Sequence[str]
    keys: Keys
    items: Longs
    events: Longs
    offsets: Longs
    signals: ItemSignals


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
