"""What the events of a batch say of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.items.signals import ItemSignals


@dataclass(frozen=True, slots=True)
class Said:
    """Signals in the order of their events, and the ids of those of their items that the catalog does not hold."""

    signals: ItemSignals = field(default_factory=ItemSignals.none)
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Sequence[Said]) -> Said:
        """What runs of one batch say, one after the other."""
        some = [run for run in runs if len(run.signals)]
        if len(some) <= 1:
            return some[0] if some else NOTHING_SAID
        names = {key: name for run in some for key, name in run.names.items()}
        return cls(ItemSignals.joined([run.signals for run in some]), names)


NOTHING_SAID = Said()
