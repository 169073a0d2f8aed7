"""Through what items of a list were found: from a remembered event of the user by a list of neighbours, a session, a
vector or a count to the item. As data, for a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from streams.items.signals import NO_KEY
from streams.items.table import LISTS, ItemTable
from streams.recommend.base import Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content_ranker import CONTENT
from streams.recommend.sources.neighbours import STEPS as FALLS
from streams.recommend.sources.popularity import NAMES as POPULARITY
from streams.recommend.sources.reading import moment, newest_items
from streams.recommend.sources.sessions import NEAREST
from streams.recommend.sources.sessions import STEPS as SESSION_FALLS
from streams.recommend.sources.similar import LAST

VECTOR, SIMILAR = "vector", "similar"
NO_EVENT = -1


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a user to an item.

    via: what leads there, as `neighbours`. which: of several of these, as a list's name. event: the column in
    `history_rows` of the event where it begins, NO_EVENT for none. share: what part of the source's own score comes
    this way, 0 to 1. Sessions are not named, for their keys would tell who else used the item.
    """

    via: str
    which: str = ""
    event: int = NO_EVENT
    share: float = 1.0


@runtime_checkable
class FindsPaths(Protocol):
    """A recommender that can say through what it found an item."""

    def paths(
        self, catalog: Catalog, queries: Queries, user: int, rows: Rows, feature: str
    ) -> list[Path | None]:
        """For each of the rows (n,) of this user's list the strongest path of one feature of `Reasons`, or None.

        Right after `recommend`: what is known of items must be the same.
        """
        ...


# What finds the paths of one user's rows (n,).
Finder = Callable[[ItemTable, Queries, int, Rows], list[Path | None]]


def paths(
    table: ItemTable | None, vectors: Floats, queries: Queries, user: int, rows: Rows, feature: str
) -> list[Path | None]:
    """Those of a feature of the sources that stand in `FINDERS`; None for others. table: None where nothing is
    known. vectors: (n, dim) of the catalog."""
    if feature == CONTENT:
        return [Path(VECTOR)] * len(rows)
    if feature == SIMILAR:
        return _similar(vectors, queries, user, rows)
    finder = FINDERS.get(feature)
    if finder is None or table is None or not len(rows):
        return [None] * len(rows)
    return finder(table, queries, user, rows)


def _similar(vectors: Floats, queries: Queries, user: int, rows: Rows) -> list[Path | None]:
    """By the products with the user's last items, as `SimilarSource` has them."""
    items = _newest(queries, user)[:LAST]
    products = np.maximum(vectors[items] @ vectors[rows].T, 0)
    return [_strongest(own[:, None], SIMILAR, ("",), queries, user, items) for own in products.T]


def _neighbours(table: ItemTable, queries: Queries, user: int, rows: Rows) -> list[Path | None]:
    """By the weights of the widest window of `NeighbourSource`, in both lists."""
    items = _newest(queries, user)[: len(FALLS)]
    neighbours, weights = table.neighbours_of(items, moment(queries, user, table))
    # (m, 2, 100) what each neighbour counts.
    said = weights * (FALLS[: len(items), -1] / np.sqrt(table.uses[items] + 3.0))[:, None, None]
    found: list[Path | None] = []
    for row in rows.tolist():
        parts: Floats = np.where(neighbours == row, said, 0).sum(axis=2)
        found.append(_strongest(parts, "neighbours", LISTS, queries, user, items))
    return found


def _sessions(table: ItemTable, queries: Queries, user: int, rows: Rows) -> list[Path | None]:
    """By the sessions that count for `SessionSource`: the share of each of the user's items in their similarity."""
    items = _newest(queries, user)[: len(SESSION_FALLS)]
    rings = table.rings[items]
    keys, place = np.unique(rings, return_inverse=True)
    # (m, s) how much each item adds to the similarity of each session.
    parts = np.zeros((len(items), len(keys)), dtype=np.float32)
    np.put_along_axis(parts, place.reshape(rings.shape), SESSION_FALLS[: len(items), None], axis=1)
    parts[:, keys == NO_KEY] = 0
    nearest = np.argsort(-parts.sum(axis=0), kind="stable")[:NEAREST]
    found: list[Path | None] = []
    for ring in table.rings[rows]:
        mine = nearest[np.isin(keys[nearest], ring)]
        shared = parts[:, mine].sum(axis=1, keepdims=True)
        found.append(_strongest(shared, "sessions", ("",), queries, user, items))
    return found


def _popularity(table: ItemTable, queries: Queries, user: int, rows: Rows) -> list[Path | None]:
    """By the half-life at which the item comes nearest to the most popular one."""
    when = moment(queries, user, table)
    nobody: Mask = np.zeros(len(table), dtype=np.bool_)
    leaders = table.leaders.first(1, nobody)[:, 0]
    most = np.diag(table.decayed(np.maximum(leaders, 0), when))
    sums = table.decayed(rows, when)
    parts = np.divide(sums, most, out=np.zeros_like(sums), where=most > 0)
    return [
        Path("popularity", POPULARITY[which].partition("_")[2]) if own[which] > 0 else None
        for own, which in zip(parts, parts.argmax(axis=1).tolist(), strict=True)
    ]


def _own(table: ItemTable, queries: Queries, user: int, rows: Rows) -> list[Path | None]:
    """By the user's newest event on the item itself."""
    columns = [_column(queries, user, row) for row in rows.tolist()]
    return [Path("own", event=column) if column != NO_EVENT else None for column in columns]


FINDERS: Mapping[str, Finder] = {
    "neighbours": _neighbours,
    "sessions": _sessions,
    "popularity": _popularity,
    "own": _own,
}


def _newest(queries: Queries, user: int) -> Rows:
    newest = newest_items(queries.only([user]), queries.history_rows.shape[1])[0]
    found: Rows = newest[newest >= 0]
    return found


def _strongest(
    parts: Floats, via: str, names: tuple[str, ...], queries: Queries, user: int, items: Rows
) -> Path | None:
    """The largest of the parts (m, names) that the user's items (m,) have."""
    total = float(parts.sum())
    if total <= 0:
        return None
    item, which = divmod(int(parts.argmax()), len(names))
    share = float(parts[item, which]) / total
    return Path(via, names[which], _column(queries, user, int(items[item])), share)


def _column(queries: Queries, user: int, row: int) -> int:
    """Of the user's newest remembered event on an item."""
    columns = np.flatnonzero(queries.history_rows[user] == row)
    if not len(columns):
        return NO_EVENT
    if queries.history_ordinals is not None:
        columns = columns[np.argsort(queries.history_ordinals[user, columns], kind="stable")]
    return int(columns[-1])
