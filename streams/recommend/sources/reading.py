"""What the sources share: a user's items, who may be recommended, and loops over the table, compiled or in numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.items.table import ItemTable
from streams.kernels.compiling import compiled
from streams.kernels.requests import choosing, histories, nearest
from streams.recommend.base import Candidates, Floats, Longs, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.exact import dots

NOTHING = np.float32(np.nan)
NO_ROWS: Rows = np.zeros(0, dtype=np.int32)


def moment(queries: Queries, user: int, table: ItemTable) -> int:
    """The time for which a user asks, milliseconds; the newest use of all items where it is not said."""
    return table.latest if queries.as_of is None else int(queries.as_of[user])


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


def fades(windows: Sequence[tuple[int, float]], most: int) -> Floats:
    """(most, windows) what the k-th newest of so many items counts. windows: of each, its last items, and what the next
    older one counts of the one after it."""
    ages = np.arange(most)
    found = np.stack([np.where(ages < last, fall**ages, 0.0) for last, fall in windows], axis=1)
    return np.ascontiguousarray(found, dtype=np.float32)


def top(values: Floats, rows: Rows, k: int) -> Longs:
    """Places of the k largest values (n,), the largest first; of equal ones the smaller row (n,) first."""
    if compiled():
        found: Longs = choosing.top(values, rows, k)
        return found
    return np.lexsort((rows, -values))[:k]


def largest_products(vectors: Floats, items: Floats, rows: Rows) -> Floats:
    """(c,) the largest product of each of these rows of `items` with one of the vectors (m, dim), as `exact.dots`."""
    if compiled():
        found = np.empty(len(rows), dtype=np.float32)
        nearest.largest(np.ascontiguousarray(vectors), items, rows, found)
        return found
    found = np.full(len(rows), -np.inf, dtype=np.float32)
    for number in range(len(vectors)):
        found = np.maximum(found, dots(vectors, np.full(len(rows), number), items, rows))
    return found


def stacked(found: Sequence[Rows]) -> Rows:
    """(U, c) the rows (c,) of each user, -1 after the last."""
    if len(found) == 1:
        return found[0][None]
    rows = np.full((len(found), max(map(len, found), default=0)), -1, dtype=np.int32)
    for own, one in zip(rows, found, strict=True):
        own[: len(one)] = one
    return rows


def candidates(found: Sequence[tuple[Rows, Floats]], names: Sequence[str]) -> Candidates:
    """Those of all users together. found: of each user, rows (c,) and scores (names, c)."""
    rows = stacked([own for own, _ in found])
    scores = np.full((len(names), *rows.shape), NOTHING, dtype=np.float32)
    for user, (own, said) in enumerate(found):
        scores[:, user, : len(own)] = said
    return Candidates(rows, dict(zip(names, scores, strict=True)))


def said_of(rows: Rows, names: Sequence[str], said: Any) -> Mapping[str, Floats]:
    """(U, c) of each name, NaN where a row is -1. said: (names, U, c)."""
    if (missing := rows < 0).any():
        said[:, missing] = NOTHING
    return dict(zip(names, said, strict=True))


def distinct(found: Sequence[Rows]) -> Rows:
    """(c,) the distinct rows of these arrays (n,), rising; those of -1 are none."""
    rows = np.concatenate(found)
    rows.sort()
    if compiled():
        return rows[: choosing.distinct(rows)]
    kept = rows >= 0
    kept[1:] &= rows[1:] != rows[:-1]
    return rows[kept]


def each_once(rows: Rows) -> tuple[Rows, Longs]:
    """The distinct rows in the order of their first appearance, and where each row (n,) is among them."""
    rising, first, places = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return rising[order], ranks[places.reshape(-1)]
