"""Vectors in small whole steps, one byte per number, and what products of them can miss.

A vector is as many steps of a size of its own as fit best; how far that misses it is known, and by the inequality of
Cauchy and Schwarz bounds what a product misses. So the few rows that may have the largest products are found without
missing one, and exact products decide among these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.recommend.base import Floats
from streams.recommend.catalog import Catalog
from streams.recommend.exact import product_margins

Bytes = npt.NDArray[np.int8]
# Of the largest number of an item's vector, and at most of a query's.
STEPS, QUERY_STEPS = 127, 32_767
# More than what rounding to float32 can take from a bound.
UP = np.float32(1 + 2**-20)


@dataclass(frozen=True, slots=True)
class Query:
    """A vector that is asked about.

    steps: (dim,) small enough that sums of products hold in 32 bits. step: their size. length: at least the vector's.
    more: what a product misses beside the item's error times `length`.
    """

    steps: npt.NDArray[np.int16]
    step: np.float32
    length: np.float32
    more: np.float32


def in_steps(vectors: Floats) -> tuple[Bytes, Floats]:
    """(m, dim) whole steps of the vectors (m, dim), and (m, 2): the size of a step, and by how much they miss."""
    exact = vectors.astype(np.float64)
    scales = (np.abs(exact).max(axis=1) / STEPS).astype(np.float32)
    steps = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)[:, None]
    found = np.clip(np.rint(exact / steps), -STEPS, STEPS)
    missed = np.linalg.norm(exact - found * scales.astype(np.float64)[:, None], axis=1)
    return found.astype(np.int8), np.stack((scales, missed.astype(np.float32) * UP), axis=1)


def queries(vectors: Floats, catalog: Catalog) -> list[Query]:
    """One for each of the vectors (m, dim)."""
    exact = vectors.astype(np.float64)
    lengths = np.sqrt((exact * exact).sum(axis=1))
    most, found = min(QUERY_STEPS, (2**31 - 1) // (STEPS * catalog.dim)), []
    for vector, length, margin in zip(exact, lengths, product_margins(lengths, catalog), strict=True):
        step = np.float32(max(float(np.abs(vector).max()) / most, 1e-38))
        steps = np.rint(vector / np.float64(step))
        missed = vector - steps * np.float64(step)
        # Twice the length of an item, which its steps never reach.
        more = np.float32(float(missed @ missed) ** 0.5 * 2 * catalog.max_length + margin) * UP
        found.append(Query(steps.astype(np.int16), step, np.float32(length) * UP, more))
    return found
