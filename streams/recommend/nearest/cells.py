"""Points that cut a space of vectors into cells, by k-means; the same from the same vectors and seed."""

from __future__ import annotations

import numpy as np

from streams.recommend.base import Floats, Longs

# Vectors for each cell that k-means looks at, and how often it moves the points.
SAMPLE, ROUNDS = 32, 6
# Vectors at a time, which bounds memory.
CHUNK = 8_192


def centres(vectors: Floats, number: int, seed: int) -> Floats:
    """(c, dim) centres of at most `number` cells, at least one, of vectors (m, dim), at least one."""
    rng = np.random.default_rng(seed)
    few = vectors[np.sort(rng.permutation(len(vectors))[: SAMPLE * number])]
    found: Floats = few[np.sort(rng.permutation(len(few))[:number])].copy()
    for _ in range(ROUNDS):
        cells = nearest(few, found)
        order = np.argsort(cells, kind="stable")
        filled, begins, counts = np.unique(cells[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(few[order].astype(np.float64), begins, axis=0)
        found[filled] = (sums / counts[:, None]).astype(np.float32)
    return found


def nearest(vectors: Floats, points: Floats) -> Longs:
    """(m,) the point (c, dim) that is nearest to each vector (m, dim); of equally near ones, the first."""
    half_squares = (np.square(points.astype(np.float64)).sum(axis=1) / 2).astype(np.float32)
    found = np.empty(len(vectors), dtype=np.int64)
    for first in range(0, len(vectors), CHUNK):
        part = slice(first, first + CHUNK)
        found[part] = (vectors[part] @ points.T - half_squares).argmax(axis=1)
    return found
