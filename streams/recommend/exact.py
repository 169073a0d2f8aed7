"""Dot products with bits that depend on nothing but the two vectors: not on the batch, the threads or the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.recommend.base import Floats

# Products at a time: few enough that their vectors stay in cache, also where thousands of items tie.
AT_ONCE = 1024


def dots(
    vectors: Floats, users: npt.NDArray[np.integer[Any]], items: Floats, rows: npt.NDArray[np.integer[Any]]
) -> Floats:
    """(c,) products of vectors[users] and items[rows], added up in an order that depends on dim alone.

    users, rows: (c,).
    """
    found = np.empty(len(rows), dtype=np.float32)
    for first in range(0, len(rows), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        terms = np.take(items, rows[part], axis=0)
        terms *= np.take(vectors, users[part], axis=0)
        width = terms.shape[1]
        while width > 1:
            # Fold the upper half onto the lower; of an odd number the middle one waits.
            half = (width + 1) // 2
            terms[:, : width - half] += terms[:, half:width]
            width = half
        found[part] = terms[:, 0]
    # A sum of -0.0 becomes 0.0: equal scores look equal.
    return found + np.float32(0)
