"""Which pairs a use speaks of: all, or some that are drawn so that what is expected of the sums stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streams.items.signals import Floats, Keys

Doubles = npt.NDArray[np.float64]

# Items used before one that it forms pairs with.
PREVIOUS = 20
# What the item before learns of the one after it is 1 / (1 + FALL * (k - 1)) for the k-th before; what the one after
# learns of it is this times BACKWARD.
FALL, BACKWARD = 0.25, 0.3
# A chance is a whole number of so many.
CERTAIN = 2**32


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pairs are drawn.

    A pair of weight w is kept with the chance min(1, w / least), and then has the weight max(w, least).

    weights: (2, PREVIOUS) of the pairs that are kept, forward and backward. chances: (2, PREVIOUS) of CERTAIN.
    """

    weights: Floats
    chances: Keys


@lru_cache
def drawing(pairs: float) -> Drawing:
    """Of `pairs` pairs per use, expected, where the user used PREVIOUS other items before; above 0.

    2 * PREVIOUS or more: of all.
    """
    forward = 1 / (1 + FALL * np.arange(PREVIOUS))
    nearness = np.stack((forward, BACKWARD * forward)).astype(np.float32)
    least = _least(np.sort(nearness.ravel().astype(np.float64))[::-1], pairs)
    weights = np.maximum(nearness, np.float32(least))
    chances = np.minimum(1.0, nearness / least) if least > 0 else np.ones(nearness.shape)
    return Drawing(weights, np.round(chances * CERTAIN).astype(np.uint64))


def _least(nearness: Doubles, pairs: float) -> float:
    """By which weight the chances add up to `pairs`; 0 for all. nearness: (n,) falling."""
    if pairs >= len(nearness):
        return 0.0
    for certain in range(len(nearness)):
        least = float(nearness[certain:].sum()) / max(pairs - certain, 1e-9)
        if nearness[certain] <= least:
            return least
    return 0.0
