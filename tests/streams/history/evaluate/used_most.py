"""A recommender that reads what the stream has learned of items: the most used first."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.items.table import ItemTable
from streams.recommend import Catalog, Queries, Ranked, Reasons
from streams.settings.settings import Settings


class UsedMost:
    def __init__(self) -> None:
        self.table: Any = None
        self.learned: list[list[int]] = []
        self.asked_as_of: list[int] = []

    def use_items(self, table: ItemTable) -> None:
        self.table = table

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        queries.check(catalog, k)
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        for user, excluded in enumerate(queries.exclude):
            uses = np.where(catalog.live, self.table.uses, -1)
            uses[list(excluded)] = -1
            best = np.argsort(-uses, kind="stable")[: int((uses >= 0).sum())][:k]
            rows[user, : len(best)] = best
        scores = np.zeros(rows.shape, dtype=np.float32)
        return Ranked(rows, scores, Reasons.none(scores))

    def learn(self, catalog: Catalog, queries: Queries, used: Any) -> None:
        self.learned += [sorted(rows) for rows in used]
        self.asked_as_of += [] if queries.as_of is None else queries.as_of.tolist()


def from_settings(settings: Settings) -> UsedMost:
    return UsedMost()
