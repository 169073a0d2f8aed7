"""What a recommender is asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.recommend.catalog import MAX_LENGTH, Catalog

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Queries:
    """What U users are interested in. Raises ValueError where the shapes do not fit each other."""

    # (U, n, dim) the interest vectors, finite; an all-zero row is no preference.
    vectors: Floats
    # (U, n) weight of each vector, at least 0.
    shares: Floats
    # Per user the catalog rows to leave out, 0 to items - 1, in any order.
    exclude: Sequence[Collection[int]]
    # (U, H) catalog rows of the remembered events that made the vectors; -1 for none.
    history_rows: Rows
    # (U, n, H) c_e with which the vector v_e of event e enters each interest vector:
    # vector = sum_e c_e * v_e + what came from events no longer remembered.
    history_coefficients: Floats
    # What follows is None where the asker does not know it.
    # (U,) the moment for which is asked, milliseconds since the epoch of event time.
    as_of: Longs | None = None
    # (U, H) event time of each remembered event, milliseconds; 0 where `history_rows` is -1.
    history_times: Longs | None = None
    # (U, H) signed weight of each remembered event; 0 where `history_rows` is -1.
    history_weights: Floats | None = None
    # (U, H) true where the user chose the item, be it liked afterwards or not.
    history_chosen: Mask | None = None
    # (U, H) place of each remembered event among the user's signals, rising with them; -1 where there is none.
    history_ordinals: Longs | None = None
    # (U, S) catalog rows that the user was shown lately without using them; -1 for none.
    shown_rows: Rows | None = None
    # (U, S) how often, decayed; 0 where `shown_rows` is -1.
    shown_counts: Floats | None = None

    def __post_init__(self) -> None:
        shape, users = self.history_rows.shape, len(self.vectors)
        if self.vectors.ndim != 3 or len(shape) != 2 or shape[0] != users or len(self.exclude) != users:
            raise ValueError(
                f"queries need one row per user: vectors (U, n, dim), not {self.vectors.shape}; "
                f"history_rows (U, H), not {shape}; U collections in exclude, not {len(self.exclude)}"
            )
        number = self.vectors.shape[1]
        if self.shares.shape != (users, number):
            raise ValueError(
                f"each vector needs one share: vectors are {self.vectors.shape}, shares {self.shares.shape}"
            )
        if self.history_coefficients.shape != (users, number, shape[1]):
            raise ValueError(
                f"each remembered event needs one coefficient per vector: history_rows is {shape}, vectors are "
                f"{self.vectors.shape}, history_coefficients {self.history_coefficients.shape}"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def single(
        cls, vectors: Floats, exclude: Sequence[Collection[int]], history_rows: Rows, coefficients: Floats
    ) -> Queries:
        """Queries of one vector per user. vectors: (U, dim). coefficients: (U, H)."""
        ones = np.ones((len(vectors), 1), dtype=np.float32)
        return cls(vectors[:, None], ones, exclude, history_rows, coefficients[:, None])

    def only(self, users: Sequence[int]) -> Queries:
        """Those at these positions, in this order. Of a range of users, views and no copies."""
        at = slice(users.start, users.stop) if isinstance(users, range) and users.step == 1 else list(users)

        def some(column: Any) -> Any:
            return None if column is None else column[at]

        return Queries(
            self.vectors[at],
            self.shares[at],
            [self.exclude[user] for user in users],
            self.history_rows[at],
            self.history_coefficients[at],
            some(self.as_of),
            some(self.history_times),
            some(self.history_weights),
            some(self.history_chosen),
            some(self.history_ordinals),
            some(self.shown_rows),
            some(self.shown_counts),
        )

    @classmethod
    def joined(cls, parts: Sequence[Queries]) -> Queries:
        """Those of all parts, at least one, in their order. They are of equal shapes, and know the same."""

        def column(name: str) -> Any:
            found = [getattr(part, name) for part in parts]
            return None if found[0] is None else np.concatenate(found)

        names = [each.name for each in fields(cls) if each.name != "exclude"]
        exclude = [excluded for part in parts for excluded in part.exclude]
        return cls(exclude=exclude, **{name: column(name) for name in names})

    def check(self, catalog: Catalog, k: int) -> None:
        """Every recommender asks this first: raises ValueError where k items of this catalog cannot be asked for.

        That is on k < 1, another dimension, vectors that are not finite or excluded rows that do not exist.
        """
        if k < 1:
            raise ValueError(f"k, the number of items per user, must be at least 1, not {k}")
        if (dim := self.vectors.shape[2]) != catalog.dim:
            raise ValueError(
                f"query vectors have {dim} dimensions, the catalog {catalog.dim}: "
                f"use the interest model and the catalog of one generation"
            )
        weighted = self.weighted().astype(np.float64)
        lengths = np.sqrt(np.einsum("und,und->un", weighted, weighted))
        if not (lengths <= MAX_LENGTH).all():
            wrong = np.flatnonzero(~(lengths <= MAX_LENGTH).all(axis=1))
            raise ValueError(
                f"the query vectors at positions {wrong[:5].tolist()} (the first 5) are not finite or "
                f"longer than {MAX_LENGTH:g}: check these users' states"
            )
        out, items = [one for one in self.exclude if len(one)], len(catalog.item_ids)
        low, high = min(map(min, out), default=0), max(map(max, out), default=-1)
        if out and not 0 <= low <= high < items:
            raise ValueError(
                f"excluded rows go from {low} to {high}, the catalog has 0 to {items - 1}: "
                f"look them up in this catalog's row_of and leave out what is unknown"
            )

    def excluded(self) -> tuple[Longs, Longs]:
        """`exclude` as pairs of a user's position and a catalog row, (e,) each, by user."""
        counts = np.fromiter(map(len, self.exclude), dtype=np.int64, count=len(self.exclude))
        rows = np.fromiter(chain.from_iterable(self.exclude), dtype=np.int64, count=int(counts.sum()))
        return np.repeat(np.arange(len(counts)), counts), rows

    def weighted(self) -> Floats:
        """(U, n, dim) the vectors times their shares."""
        return self.vectors * self.shares[:, :, None]

    def active(self) -> Mask:
        """(U, n) true for vectors that count: those that are not zero, or all of a user without any preference."""
        some: Mask = np.asarray(self.weighted().any(axis=2))
        nothing: Mask = ~np.asarray(some.any(axis=1))
        return some | nothing[:, None]
