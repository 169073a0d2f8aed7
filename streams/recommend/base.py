"""What every recommender shares: questions, answers, and the contract."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.recommend.catalog import Catalog

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Queries:
    """What U users are interested in.

    vectors: (U, dim) the interest vectors, finite; an all-zero row is a user without a preference.
    exclude: per user the catalogue rows to leave out, 0 to n - 1, in any order.
    history_rows: (U, H) catalogue rows of the remembered events that made the vector, -1 for none.
    history_coefficients: (U, H) c_e with which the vector of event e enters the query:
        query = sum_e c_e * v_e + what came from events no longer remembered.
    Raises ValueError where the shapes do not fit each other.
    """

    vectors: Floats
    exclude: Sequence[Collection[int]]
    history_rows: Rows
    history_coefficients: Floats

    def __post_init__(self) -> None:
        shape, users = self.history_rows.shape, len(self.vectors)
        if self.vectors.ndim != 2 or len(shape) != 2 or shape[0] != users or len(self.exclude) != users:
            raise ValueError(
                f"queries need one row per user: vectors (U, dim), not {self.vectors.shape}; "
                f"history_rows (U, H), not {shape}; U collections in exclude, not {len(self.exclude)}"
            )
        if self.history_coefficients.shape != shape:
            raise ValueError(
                f"each remembered event needs one coefficient: history_rows is {shape}, "
                f"history_coefficients {self.history_coefficients.shape}"
            )

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best items of each user, best first.

    rows: (U, k) catalogue rows; -1 after the last item where fewer than k may be recommended.
    scores: (U, k) float32, not rising along a row; 0 where rows is -1.
    """

    rows: Rows
    scores: Floats


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why: the remembered events that contribute most to each item's score, strongest first.

    index: (U, k, r) position in the user's history, -1 where there are fewer than r.
    contributions: (U, k, r) float32, signed; 0 where index is -1.
    rest: (U, k) float32, from all other events: contributions.sum(-1) + rest = score, to float32 rounding.
    """

    index: Rows
    contributions: Floats
    rest: Floats


class Recommender(Protocol):
    """Finds the items that fit interests best."""

    def recommend(self, catalog: Catalog, queries: Queries, k: int) -> Ranked:
        """The k best live items of each user without those excluded for the user.

        Deterministic, and a user's answer depends on the user's own query alone, bit for bit: not on who
        else is in the batch. Raises ValueError on k < 1, another dimension, vectors that are not finite or
        excluded rows that do not exist.
        """
        ...
