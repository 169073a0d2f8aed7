"""What the sources share: a user's items, who may be recommended, and loops over the table, compiled or in numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.items import histories, nearest, reading
from streams.recommend.base import Candidates, Finder, Floats, Longs, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.exact import dots

NOTHING = np.float32(np.nan)


def moments(queries: Queries, table: ItemTable) -> Longs:
    """(U,) the time for which each user asks, milliseconds; the newest use of all items where they do not say."""
    return np.full(len(queries), table.latest) if queries.as_of is None else queries.as_of


def use_weights(queries: Queries) -> Floats:
    """(U, H) above 0 for each remembered event that is a use of its item: 1 where the item was chosen.

    Where nobody knows what was chosen, the event's weight; 1 where nobody knows that either.
    """
    if queries.history_chosen is not None:
        return queries.history_chosen.astype(np.float32)
    if queries.history_weights is None:
        return np.ones(queries.history_rows.shape, dtype=np.float32)
    return queries.history_weights


def newest_items(queries: Queries, most: int) -> Rows:
    """(U, min(most, H)) the items of each user's remembered events of a weight above 0, newest first, each once,
    at most so many; then -1.

    Without ordinals, the later column is the newer one.
    """
    rows, weights, ordinals = queries.history_rows, use_weights(queries), queries.history_ordinals
    if ordinals is None:
        ordinals = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    found = np.full((len(rows), min(most, rows.shape[1])), -1, dtype=np.int32)
    if compiled():
        histories.newest_first(rows, weights, ordinals, found)
        return found
    for own, items, signed, order in zip(found, rows, weights, ordinals, strict=True):
        newest = np.lexsort((np.arange(len(items)), order))[::-1]
        kept = list(dict.fromkeys(int(items[i]) for i in newest if items[i] >= 0 and signed[i] > 0))[:most]
        own[: len(kept)] = kept
    return found


def banned(catalog: Catalog, queries: Queries, user: int) -> Mask:
    """(n,) true for the rows that the user must not get: hidden, removed or excluded ones."""
    found = ~catalog.live
    if out := queries.exclude[user]:
        found[np.fromiter(out, dtype=np.int64, count=len(out))] = True
    return found


def counting_vectors(queries: Queries, user: int) -> Floats:
    """(m, dim) the user's vectors that count, times their shares."""
    vectors = queries.vectors[user] * queries.shares[user][:, None]
    if len(vectors) > 1 and (some := vectors.any(axis=1)).any():
        vectors = vectors[some]
    return np.ascontiguousarray(vectors, dtype=np.float32)


def top(values: Floats, rows: Rows, k: int) -> Longs:
    """Places of the k largest values (n,), the largest first; of equal ones the smaller row (n,) first."""
    if compiled():
        found: Longs = reading.top(values, rows, k)
        return found
    return np.lexsort((rows, -values))[:k]


def largest_products(vectors: Floats, items: Floats, rows: Rows) -> Floats:
    """(c,) the largest product of each of these rows of `items` with one of the vectors (m, dim), as `exact.dots`."""
    found = np.full(len(rows), -np.inf, dtype=np.float32)
    if compiled():
        nearest.largest(np.ascontiguousarray(vectors), items, rows, found)
        return found
    for number in range(len(vectors)):
        found = np.maximum(found, dots(vectors, np.full(len(rows), number), items, rows))
    return found


def candidates(found: Sequence[tuple[Rows, Mapping[str, Floats]]], names: Sequence[str]) -> Candidates:
    """Those of all users together. found: of each user, rows (c,) and the scores (c,) of each name."""
    if len(found) == 1:
        rows, said = found[0]
        return Candidates(rows[None], {name: said[name][None] for name in names})
    width = max((len(rows) for rows, _ in found), default=0)
    rows = np.full((len(found), width), -1, dtype=np.int32)
    scores = {name: np.full(rows.shape, NOTHING, dtype=np.float32) for name in names}
    for user, (own, said) in enumerate(found):
        rows[user, : len(own)] = own
        for name in names:
            scores[name][user, : len(own)] = said[name]
    return Candidates(rows, scores)


def stacked(found: Sequence[Rows]) -> Rows:
    """(U, c) the rows (c,) of each user, -1 after the last."""
    if len(found) == 1:
        return found[0][None]
    rows = np.full((len(found), max(map(len, found), default=0)), -1, dtype=np.int32)
    for own, one in zip(rows, found, strict=True):
        own[: len(one)] = one
    return rows


def scored(source: Finder, catalog: Catalog, queries: Queries, k: int) -> Candidates:
    """What a source finds, with its scores."""
    rows = source.rows(catalog, queries, k)
    return Candidates(rows, source.scores(catalog, queries, rows))


def said_of(rows: Rows, names: Sequence[str], said: Any) -> Mapping[str, Floats]:
    """(U, c) of each name, NaN where a row is -1. said: (names, U, c)."""
    if (missing := rows < 0).any():
        said[:, missing] = NOTHING
    return dict(zip(names, said, strict=True))


def distinct(rows: Rows) -> Rows:
    """(c,) the distinct rows of an array of any shape, rising; those of -1 are none."""
    found = np.sort(rows, axis=None)
    kept = found >= 0
    kept[1:] &= found[1:] != found[:-1]
    return found[kept]


def each_once(rows: Rows) -> Rows:
    """The distinct rows, in the order of their first appearance."""
    distinct, first = np.unique(rows, return_index=True)
    return distinct[np.argsort(first)]


class Sums:
    """Sums by catalog row for one user at a time, zeros but where they were touched.

    They are kept until another user is asked for: candidates are found and scored by the same sums.
    """

    def __init__(self, width: int) -> None:
        """width: numbers of each row."""
        self.values: Floats = np.zeros((0, width), dtype=np.float32)
        self.touched: Rows = np.zeros(0, dtype=np.int32)
        self._of: tuple[Queries, int, int] | None = None

    def hold(self, queries: Queries, user: int, table: ItemTable) -> bool:
        """True where they are this user's already; otherwise they are zeros from now on, and said to be this user's."""
        of = self._of
        if of is not None and of[0] is queries and of[1:] == (user, table.version):
            return True
        self._of = (queries, user, table.version)
        if len(table) > len(self.values):
            self.values = np.zeros((2 * len(table), self.values.shape[1]), dtype=np.float32)
        elif compiled():
            reading.clear(self.touched, self.values)
        else:
            self.values[self.touched] = 0
        self.touched = np.zeros(0, dtype=np.int32)
        return False
