"""What users' events say of items, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# In `others` and `sessions`: none.
NO_KEY = 0


@dataclass(frozen=True, slots=True)
class ItemSignals:
    """n signals in the order of the events that they come from; each changes the state of one item.

    items: (n,) `item_key` of the item whose state it changes.
    others: (n,) `item_key` of the item that was used before or after it; NO_KEY for a use of the item itself.
    weights: (n,) above 0. Of a use, its own weight; of a pair, how near both uses were.
    times: (n,) event time, milliseconds since the epoch.
    sessions: (n,) key of the session of a use; NO_KEY for a pair.
    offsets: (n,) offset of the event in its source partition, rising; by it repeats are told.
    """

    items: Keys
    others: Keys
    weights: Floats
    times: Longs
    sessions: Keys
    offsets: Longs

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def none(cls) -> ItemSignals:
        """No signal."""
        keys, longs = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        return cls(keys, keys, np.zeros(0, dtype=np.float32), longs, keys, longs)

    @classmethod
    def joined(cls, runs: Sequence[ItemSignals]) -> ItemSignals:
        """Signals of one run, one at least, behind those of another."""
        if len(runs) == 1:
            return runs[0]
        return cls(*(np.concatenate([getattr(run, name) for run in runs]) for name in COLUMNS))

    def only(self, chosen: npt.NDArray[np.bool_] | Longs) -> ItemSignals:
        """Those of a mask or of indices, in that order."""
        pairs = self.items[chosen], self.others[chosen], self.weights[chosen]
        return ItemSignals(*pairs, self.times[chosen], self.sessions[chosen], self.offsets[chosen])


COLUMNS = tuple(field.name for field in fields(ItemSignals))
