"""Vectors in small whole steps, one byte per number, and what products of them can miss.

A vector is as many steps of a size of its own as fit best; how far that misses it is known, and by the inequality of
Cauchy and Schwarz bounds what a product misses. So the few rows that may have the largest products are found without
missing one, and exact products decide among these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.kernels.requests import coarse
from streams.recommend.base import Floats
from streams.recommend.catalog import Catalog

Bytes = npt.NDArray[np.int8]
# Of the largest number of an item's vector, and at most of a query's.
STEPS, QUERY_STEPS = 127, 32_767
# More than what rounding to float32 can take from a bound.
UP = np.float32(1 + 2**-20)


def in_steps(vectors: Floats) -> tuple[Bytes, Floats]:
    """(m, dim) whole steps of the vectors (m, dim), and (m, 2): the size of a step, and by how much they miss."""
    exact = vectors.astype(np.float64)
    scales = (np.abs(exact).max(axis=1) / STEPS).astype(np.float32)
    steps = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)[:, None]
    found = np.clip(np.rint(exact / steps), -STEPS, STEPS)
    missed = np.linalg.norm(exact - found * scales.astype(np.float64)[:, None], axis=1)
    return found.astype(np.int8), np.stack((scales, missed.astype(np.float32) * UP), axis=1)


def queries(vectors: Floats, catalog: Catalog) -> tuple[npt.NDArray[np.int16], Floats]:
    """What is asked about, the vectors (m, dim): (m, dim) whole steps, small enough that sums of products hold in 32
    bits, and (m, 3): the size of a step, a length that is at least the vector's, and what a product misses beside the
    item's error times that length. Needs compiled code."""
    steps, scales = np.empty(vectors.shape, dtype=np.int16), np.empty((len(vectors), 3), dtype=np.float32)
    most = min(QUERY_STEPS, (2**31 - 1) // (STEPS * catalog.dim))
    coarse.in_steps(vectors, most, catalog.max_length, steps, scales)
    return steps, scales
