"""Two-tower vectors of items, as many workers teach them: what is kept of an item, and what a worker tells of it.

`recommend.towers` has the vectors themselves. A vector is the item's content, at which it starts, plus the sum of all
changes; so nobody needs to know the content who adds up changes, and in whichever order they come, none is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from streams.items.signals import Floats, Longs

Halves = npt.NDArray[np.float16]

# A multiple of 8, the lanes of `kernels.items.towers`.
DIM = 64


@dataclass(frozen=True, slots=True)
class Window:
    """A pair of vectors: of the user's `last` items, of which the next older one counts `fall` of the newer one.

    together: the items of one visit are learned from one another, too, and not only from those before it.
    """

    name: str
    last: int
    fall: float
    together: bool


# Films want few items, baskets many. What goes into the next basket is best learned from earlier baskets alone; what
# belongs together, as in a list of artists, from each basket.
WINDOWS = (
    Window("towers_10", 10, 0.8, together=True),
    Window("towers_256", 256, 0.99, together=False),
    Window("towers_together", 256, 0.99, together=True),
)
# An item's vectors: of each window the one that stands for the item in a history, and the one that is scored.
PARTS = 2 * len(WINDOWS)

# All zeros: nothing was learned.
TOWERS_DTYPE = np.dtype(
    [
        ("uses", "<i8"),  # of the item, that were learned from
        ("squares", "<f4", (PARTS,)),  # growth of AdaGrad's sums
        ("sums", "<f4", (PARTS, DIM)),  # of the changes
    ]
)


def space_of(encoder: str) -> int:
    """What changes of two workers must have in common to be added up, 32 bits. encoder: its identity."""
    return crc32(f"{encoder} {DIM} {WINDOWS}".encode())


@dataclass(frozen=True, slots=True)
class TowerChanges:
    """What a worker has learned of n items since it told last.

    uses: (n,) uses of each that it has learned from. squares: (n, PARTS) growth of AdaGrad's sums. vectors:
    (n, PARTS, DIM) changes, rounded to float16.
    """

    uses: Longs
    squares: Floats
    vectors: Halves

    def __len__(self) -> int:
        return len(self.uses)

    def only(self, chosen: npt.NDArray[np.bool_] | Longs) -> TowerChanges:
        """Those of a mask or of indices, in that order."""
        return TowerChanges(self.uses[chosen], self.squares[chosen], self.vectors[chosen])

    @property
    def sound(self) -> npt.NDArray[np.bool_]:
        """(n,) true for the items of which all numbers are finite, and none is below 0 that only grows."""
        growing = (self.uses >= 0) & (np.isfinite(self.squares) & (self.squares >= 0)).all(axis=1)
        found: npt.NDArray[np.bool_] = growing & np.isfinite(self.vectors).all(axis=(1, 2))
        return found


def add(states: npt.NDArray[Any], rows: Longs, changes: TowerChanges) -> None:
    """Add the changes (n,) to these rows (n,), each once, of states of dtype TOWERS_DTYPE, in place."""
    states["uses"][rows] += changes.uses
    states["squares"][rows] += changes.squares
    states["sums"][rows] += changes.vectors.astype(np.float32)
