"""Exact top-k of the catalog by dot product, at the price of little more than the matrix product.

A matrix product (BLAS) may give a user's scores other last bits in another batch, on another machine or with
more threads, so it only nominates: every item within the product's error bound of the k-th best is a
candidate. The candidates, few more than k, are scored again in a fixed order of IEEE additions and sorted by
(-score, row). Rank and scores are then those of a full sort of the fixed-order scores, bit for bit, whatever
the batch, the chunking, the threads or the machine.

The k-th best itself is bounded from below without sorting the scores: the items are cut into groups; k groups
have a maximum of at least the k-th largest group maximum, so k items do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.recommend.base import Candidates, Floats, Longs, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content_ranker import CONTENT, ContentRanker, best_first
from streams.recommend.exact import dots, product_margins
from streams.recommend.nearest.products import EXACT, Approximate
from streams.recommend.nearest.source import IndexedSource
from streams.recommend.two_stage import TwoStageRecommender
from streams.settings.settings import Settings

LOWEST = np.finfo(np.float32).min
BANNED = np.float32(-np.inf)
# Groups per wanted item: the more, the tighter the bound (here about k / 32 candidates too many) and the
# dearer the partition of the group maxima.
GROUPS_PER_ITEM = 16


@dataclass(frozen=True, slots=True)
class ContentSource:
    """The items of the largest dot products with the query: cosines where both are unit rows.

    A zero query scores every item 0.0 and ranks by row: the longest known items first, never nothing.
    Equal scores rank the smaller row first. Where a user has several vectors, an item's score is the largest of its
    products with one of them times its share.

    users_per_chunk, items_per_tile: bound the score matrix (64 x 16,384 float32 are 4 MiB) so that it stays
    in the processor's cache, for any number of users and items; the answer does not depend on them.
    """

    users_per_chunk: int = 64
    items_per_tile: int = 16_384

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """The k best items, best first, with their exact scores under the name of CONTENT."""
        vectors = np.ascontiguousarray(queries.weighted().reshape(-1, catalog.dim), dtype=np.float32)
        margins = product_margins(np.linalg.norm(vectors.astype(np.float64), axis=1), catalog)
        number = queries.vectors.shape[1]
        exclusions = _Exclusions.of(queries, number)
        rows = np.full((len(vectors), k), -1, dtype=np.int32)
        scores = np.zeros((len(vectors), k), dtype=np.float32)
        for first in range(0, len(vectors), self.users_per_chunk):
            chunk = slice(first, first + self.users_per_chunk)
            best = self._best(catalog, vectors[chunk], margins[chunk], exclusions.of_users(chunk), k)
            rows[chunk][best.users, best.ranks] = best.rows
            scores[chunk][best.users, best.ranks] = best.scores
        if number > 1:
            rows[~queries.active().ravel()] = -1
            rows, scores = _best_of_each(rows.reshape(-1, number * k), scores.reshape(-1, number * k), k)
        return Candidates(rows, {CONTENT: scores})

    def _best(self, catalog: Catalog, vectors: Floats, margins: Floats, out: _Exclusions, k: int) -> _Best:
        """The k best of every user of a chunk, carried from one tile of items to the next."""
        items, best = catalog.vectors, _Best.nothing()
        # What an item must reach to displace the k-th best of the tiles before.
        floor = np.full(len(vectors), LOWEST, dtype=np.float32)
        for first in range(0, len(items), self.items_per_tile):
            tile = slice(first, min(first + self.items_per_tile, len(items)))
            group = max(1, (tile.stop - first) // (GROUPS_PER_ITEM * k))
            products = _products(vectors, items[tile], first, group)
            _ban(products, catalog.live[tile], out.of_items(tile))
            users, rows = _candidates(products, group, floor, margins, k)
            rows += first
            best = best.merged(users, rows, dots(vectors, users, items, rows), k)
            last = best.ranks == k - 1
            floor[best.users[last]] = best.scores[last]
        return best


@dataclass(frozen=True, slots=True)
class _Best:
    """The best items so far, by user, then by rank; all (c,)."""

    users: Longs
    ranks: Longs
    rows: Longs
    scores: Floats

    @staticmethod
    def nothing() -> _Best:
        none = np.zeros(0, dtype=np.int64)
        return _Best(none, none, none, np.zeros(0, dtype=np.float32))

    def merged(self, users: Longs, rows: Longs, scores: Floats, k: int) -> _Best:
        """With further items, cut to k per user."""
        users, rows = np.concatenate((self.users, users)), np.concatenate((self.rows, rows))
        scores = np.concatenate((self.scores, scores))
        # Stable, and rows rise within a user's equal scores: earlier tiles first, candidates by row.
        order = np.lexsort((-scores, users))
        users = users[order]
        counts = np.bincount(users)
        ranks = np.arange(len(users)) - (np.cumsum(counts) - counts)[users]
        kept = ranks < k
        order = order[kept]
        return _Best(users[kept], ranks[kept], rows[order], scores[order])


@dataclass(frozen=True, slots=True)
class _Exclusions:
    """Pairs (user, row) to leave out, both (e,), by user."""

    users: Longs
    rows: Longs

    @staticmethod
    def of(queries: Queries, number: int) -> _Exclusions:
        """number: of vectors per user; each has the user's exclusions."""
        users, rows = queries.excluded()
        each = (users[:, None] * number + np.arange(number)).ravel()
        order = np.argsort(each, kind="stable")
        return _Exclusions(each[order], np.repeat(rows, number)[order])

    def of_users(self, chunk: slice) -> _Exclusions:
        begin, end = np.searchsorted(self.users, (chunk.start, chunk.stop))
        return _Exclusions(self.users[begin:end] - chunk.start, self.rows[begin:end])

    def of_items(self, tile: slice) -> _Exclusions:
        inside = (self.rows >= tile.start) & (self.rows < tile.stop)
        return _Exclusions(self.users[inside], self.rows[inside] - tile.start)


def _products(vectors: Floats, items: Floats, first: int, group: int) -> Floats:
    """(U, w) approximate scores of a tile's items, filled with -inf to a multiple of the group size."""
    count = len(items)
    products = np.empty((len(vectors), -(-count // group) * group), dtype=np.float32)
    # The matrix library computes lanes beyond the arrays, too, which may hold anything; the vectors were checked.
    with np.errstate(invalid="ignore"):
        np.matmul(vectors, items.T, out=products[:, :count])
    products[:, count:] = BANNED
    # All items tie for a zero query: falling numbers nominate the first rows instead of every row.
    for user in np.flatnonzero(~vectors.any(axis=1)):
        products[user, :count] = -np.arange(first, first + count, dtype=np.float32)
    return products


def _ban(products: Floats, live: npt.NDArray[np.bool_], out: _Exclusions) -> None:
    if not live.all():
        products[:, : len(live)] += np.where(live, np.float32(0), BANNED)
    products[out.users, out.rows] = BANNED


def _candidates(products: Floats, group: int, floor: Floats, margins: Floats, k: int) -> tuple[Longs, Longs]:
    """Users and columns, (c,) each, of every product that may belong to the k best."""
    users, width = products.shape
    # Groups are strided, so that the maximum runs along memory and neighbours in rank rarely share one.
    maxima = products.reshape(users, group, width // group).max(axis=1)
    bound = floor
    if maxima.shape[1] >= k:
        at = maxima.shape[1] - k
        bound = np.maximum(bound, np.partition(maxima, at, axis=1)[:, at])
    # Never below LOWEST, for -inf marks what is banned.
    bound = np.maximum(bound - margins, LOWEST)
    return np.divmod(np.flatnonzero(products >= bound[:, None]), width)


def _best_of_each(rows: Rows, scores: Floats, k: int) -> tuple[Rows, Floats]:
    """(U, k) the best of each user's items (U, c), each with the largest of its scores.

    These are the k best of all items: one that is among no vector's k best is behind k items by every vector.
    """
    order = np.lexsort((-scores, rows), axis=-1)
    rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = -1
    return best_first(rows, scores, k)


class ContentRecommender(TwoStageRecommender):
    """Recommends the items that are most like the interest, and says which events made it so."""

    def __init__(
        self, users_per_chunk: int = 64, items_per_tile: int = 16_384, approximate: Approximate = EXACT
    ) -> None:
        """See ContentSource. approximate: where an index finds the items."""
        exact = ContentSource(users_per_chunk, items_per_tile)
        super().__init__((IndexedSource(exact, approximate),), ContentRanker())


def from_settings(settings: Settings) -> ContentRecommender:
    """Ranks the whole catalog by the interest vector; a large one by an index, as the settings say."""
    wanted = settings.recommendations
    return ContentRecommender(approximate=Approximate(wanted.approximate_above, wanted.approximate_recall))
