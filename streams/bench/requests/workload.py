"""A catalog, what was learned of its items, and users who ask: generated, or on vectors of real texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from streams.items.layout import DAY_MS, HALF_LIVES_MS, NEIGHBOURS, SESSIONS, States, empty
from streams.items.table import ItemTable
from streams.recommend.base import Floats, Queries, Rows
from streams.recommend.catalog import Catalog

NOW = 1_700_000_000_000
# Items of one kind lie near one another and are used together.
KIND = 400
# Rows that are learned at a time, which bounds memory.
CHUNK = 65_536
# Of the most used item; that of rank r is used as often, over r^0.8.
MOST_USES = 5_000.0
# Items that a user remembers, and what each older one counts of the one after it.
REMEMBERED, FALL = 32, 0.9

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """`items` items of `dim` dimensions. The row is the rank by uses, so kinds are rows of equal remainder."""

    items: int
    dim: int = 128
    seed: int = 7

    @property
    def kinds(self) -> int:
        """Of items."""
        return max(1, self.items // KIND)

    @cached_property
    def vectors(self) -> Floats:
        """(items, dim) unit rows, of a kind near one another: their cosines are about 0.4."""
        rng = np.random.default_rng(self.seed)
        centres = rng.standard_normal((self.kinds, self.dim), dtype=np.float32)
        found: Floats = rng.standard_normal((self.items, self.dim), dtype=np.float32)
        found *= np.float32(1.2)
        found += centres[np.arange(self.items) % self.kinds]
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def catalog(self) -> Catalog:
        """With all of them, none hidden."""
        return catalog_of(self.vectors)

    def table(self, catalog: Catalog) -> ItemTable:
        """What was learned of them."""
        table, rng = ItemTable(catalog), np.random.default_rng(self.seed + 1)
        used = int((_uses(np.arange(self.items)) > 0).sum())
        for first in range(0, used, CHUNK):
            rows = np.arange(first, min(first + CHUNK, used))
            table.put(catalog.keys[rows], self._learned(rows, catalog, rng))
        return table

    def queries(self, users: int, excluding: bool = True) -> Queries:
        """Of users who remember items of two kinds and much used ones. excluding: what they had is not to be named."""
        rng = np.random.default_rng(self.seed + 2)
        kinds = rng.integers(0, self.kinds, (users, 2))[
            np.arange(users)[:, None], rng.integers(0, 2, (users, 32))
        ]
        rank = np.minimum(rng.zipf(1.3, (users, REMEMBERED)) - 1, self.items // self.kinds - 1)
        rows = np.where(rng.random((users, REMEMBERED)) < 0.7, kinds + self.kinds * rank, rank)
        rows = np.minimum(rows, self.items - 1).astype(np.int32)
        counts = np.broadcast_to(FALL ** np.arange(REMEMBERED)[::-1], rows.shape).astype(np.float32)
        vectors = np.einsum("uh,uhd->ud", counts, self.vectors[rows]).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        ages = np.sort(rng.integers(0, 60 * DAY_MS, rows.shape), axis=1)[:, ::-1]
        return Queries(
            (vectors / lengths)[:, None],
            np.ones((users, 1), dtype=np.float32),
            [np.unique(own).tolist() if excluding else [] for own in rows],
            rows,
            (counts / lengths)[:, None],
            as_of=np.full(users, NOW),
            history_times=NOW - ages,
            history_weights=np.ones(rows.shape, dtype=np.float32),
            history_chosen=np.ones(rows.shape, dtype=np.bool_),
            history_ordinals=np.broadcast_to(np.arange(REMEMBERED), rows.shape),
        )

    def _learned(self, rows: Longs, catalog: Catalog, rng: np.random.Generator) -> States:
        states, uses = empty(len(rows)), _uses(rows)
        states["uses"], states["newest"] = uses, NOW - rng.integers(0, DAY_MS, len(rows))
        spans = np.minimum(1.0, np.array(HALF_LIVES_MS) / (365 * DAY_MS))
        states["sums"] = uses[:, None] * spans * rng.uniform(0.5, 1.5, (len(rows), len(spans)))
        there = np.arange(NEIGHBOURS) < np.minimum(3 * uses, NEIGHBOURS)[:, None]
        for name in ("lasting", "recent"):
            near = self._neighbours(rows, rng)
            states[name] = np.where(there, catalog.keys[near], 0)
            weights = rng.uniform(0.1, 3.0, near.shape).astype(np.float32)
            states[f"{name}_weights"] = np.where(there, weights, 0)
        states["sessions"] = self._sessions(rows, uses, rng)
        states["block"] = NOW // (16 * 90 * DAY_MS)
        return states

    def _neighbours(self, rows: Longs, rng: np.random.Generator) -> Rows:
        """(n, NEIGHBOURS) distinct rows: mostly of an item's kind, some of those that are used most."""
        width = max(1, self.items // self.kinds)
        steps = np.cumsum(rng.integers(1, 4, (len(rows), NEIGHBOURS)), axis=1)
        near = rows[:, None] % self.kinds + self.kinds * ((rows[:, None] // self.kinds + steps) % width)
        often = np.cumsum(rng.integers(1, 10, (len(rows), NEIGHBOURS)), axis=1)
        found = np.where(rng.random(near.shape) < 0.7, near, often)
        return np.minimum(found, self.items - 1).astype(np.int32)

    def _sessions(self, rows: Longs, uses: Longs, rng: np.random.Generator) -> npt.NDArray[np.uint64]:
        """(n, SESSIONS) keys of sessions of some ten items of a kind."""
        of_kind = rng.integers(1, 3_000, (len(rows), SESSIONS)).astype(np.uint64)
        keys = (rows[:, None] % self.kinds * 4_096).astype(np.uint64) + of_kind
        keys *= np.uint64(0x9E3779B97F4A7C15)
        return np.where(np.arange(SESSIONS) < np.minimum(uses, SESSIONS)[:, None], keys, np.uint64(0))


def catalog_of(vectors: Floats) -> Catalog:
    """A catalog of items with these vectors, none hidden."""
    catalog = Catalog(vectors.shape[1], capacity=len(vectors))
    for row, vector in enumerate(vectors):
        catalog.put(f"item-{row}", vector)
    return catalog


def _uses(rows: Longs) -> Longs:
    """(n,) of each of these rows (n,), falling; none of the last ones of a large catalog."""
    found: Longs = np.rint(MOST_USES / (rows + 1.0) ** 0.8).astype(np.int64)
    return found
