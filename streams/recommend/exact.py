"""Dot products with bits that depend on nothing but the two vectors: not on the batch, the threads or the machine.

And how far other ways to add them up can be from these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.recommend.base import Floats
from streams.recommend.catalog import Catalog

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


def product_margins(lengths: npt.NDArray[np.float64], catalog: Catalog) -> Floats:
    """(U,) how far below the k-th best approximate score a fixed-order winner can lie.

    Any order of summing d products errs by at most d·u·|q|·|v| with u = 2**-24 to first order, and by the
    smallest normal number per operation on underflow (Higham, Accuracy and Stability of Numerical Algorithms,
    2002, section 3.1). Two orders are compared, and on both sides of the k-th best: 4·d·u; the 16 more cover
    the second order and the rounding of the bound itself.
    """
    relative = (4 * catalog.dim + 16) * 2.0**-24 * lengths * catalog.max_length
    margins: Floats = (relative + 16 * catalog.dim * float(np.finfo(np.float32).tiny)).astype(np.float32)
    return margins
