"""How similar items are, by content, to the last items of the user one by one."""

from __future__ import annotations

import numpy as np

from streams.kernels.compiling import compiled
from streams.kernels.requests import similar as kernels
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.reading import NO_ROWS, NOTHING, fades

# Of each mean: the last so many items, of which the next older one counts so much of the one after it.
WINDOWS = ((1, 1.0), (10, 0.8))
LAST = kernels.ROOM
NAMES = (*(f"similar_{last}" for last, _ in WINDOWS), "similar_most")
# (2, LAST) what the product with the k-th newest item counts in each mean of LAST items.
PARTS = np.ascontiguousarray(fades(WINDOWS, LAST).T)


class SimilarSource(Finder):
    """Scores the candidates of others by their products with the vectors of the user's last items; finds none.

    The scores: the product with the newest item, the faded mean of those with the last 10, and the largest with any of
    the last 32. A user's interests are sums over all events: an item nearly the same as one of them, as the next part
    of a series is, may be far from the sum.
    """

    names = NAMES

    def __init__(self, asked: Asked | None = None) -> None:
        """asked: shared with other sources."""
        self._asked = asked or Asked()

    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """None. See `Finder.find`."""
        return NO_ROWS

    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """See `Finder.tell`; of a user without an item it says nothing."""
        items = self._asked.items(queries, user, LAST)
        said[...] = likenesses(catalog.vectors, items, rows) if len(items) else NOTHING


def likenesses(vectors: Floats, items: Rows, rows: Rows) -> Floats:
    """(3, c) the scores of these rows for a user whose last items (h,), newest first, are these; 1 <= h <= LAST."""
    own: Floats = np.zeros((vectors.shape[1], LAST), dtype=np.float32)
    own[:, : len(items)] = vectors[items].T
    parts = PARTS / PARTS[:, : len(items)].sum(axis=1, keepdims=True)
    found: Floats = np.empty((len(NAMES), len(rows)), dtype=np.float32)
    if compiled():
        kernels.similar(own, len(items), parts, vectors, np.ascontiguousarray(rows), found)
        return found
    products: Floats = np.zeros((len(rows), LAST), dtype=np.float32)
    for value, at in zip(vectors[rows].T, own, strict=True):
        products += value[:, None] * at
    found[:-1] = 0
    for h in range(len(items)):
        found[:-1] += parts[:, h, None] * products[:, h]
    found[-1] = products[:, : len(items)].max(axis=1)
    return found
