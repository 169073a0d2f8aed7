"""Users' states as queries to a recommender."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.flow.event_history import EventHistory
from streams.interest.base import Explainable, Floats, InterestModel, Longs
from streams.recommend import Catalog, Queries
from streams.state.users.partition import UserPartition


class QueryBuilder:
    """Reads interests, histories and consumed items."""

    def __init__(
        self, model: InterestModel, catalog: Catalog, history: EventHistory, exclude_consumed: bool
    ) -> None:
        self._model, self._catalog, self._history = model, catalog, history
        self._exclude_consumed = exclude_consumed

    def build(self, part: UserPartition, rows: Longs, states: Any, as_of: Longs | None = None) -> Queries:
        """One query for each of the users' rows (U,) with their states (U,).

        as_of: (U,) the moment for which is asked, milliseconds; that of each user's newest event by default.
        """
        interests, history = self._model.interest(states["model"]), states["history"]
        history_rows = self._history.rows(history)
        known = history_rows >= 0
        return Queries(
            vectors=interests.vectors,
            shares=interests.shares,
            exclude=[self._excluded(part, row) for row in rows.tolist()],
            history_rows=history_rows,
            history_coefficients=self._coefficients(states, interests.shares.shape[1]),
            as_of=self._model.times(states["model"]) if as_of is None else as_of,
            history_times=np.where(known, history["time"], 0),
            history_weights=np.where(known, history["weight"], np.float32(0)),
            history_chosen=known & (history["chosen"] > 0),
            history_ordinals=np.where(known, history["ordinal"].astype(np.int64), -1),
        )

    def _coefficients(self, states: Any, number: int) -> Floats:
        """(U, n, H) weight of each remembered event in each of n vectors; all 0 from a model that cannot say."""
        history = states["history"]
        if not isinstance(self._model, Explainable):
            return np.zeros((len(states), number, history.shape[1]), dtype=np.float32)
        ordinals = history["ordinal"].astype(np.int64)
        return self._model.coefficients(states["model"], history["time"], history["weight"], ordinals)

    def _excluded(self, part: UserPartition, row: int) -> list[int]:
        if not self._exclude_consumed:
            return []
        row_of_key = self._catalog.row_of_key
        return [row_of_key[key] for key in part.consumed.keys(row) if key in row_of_key]
