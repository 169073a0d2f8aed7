"""Recommender `toy-newest`: the items that came last, whatever the user's interest."""

from __future__ import annotations

import numpy as np

from streams.recommend import Catalog, Queries, Ranked, Reasons
from streams.settings.settings import Settings


class NewestRecommender:
    """An item's score is its row."""

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        """See Recommender."""
        queries.check(catalog, k)
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.zeros((len(queries), k), dtype=np.float32)
        newest = np.flatnonzero(catalog.live)[::-1].tolist()
        for user, banned in enumerate(map(set, queries.exclude)):
            best = [row for row in newest if row not in banned][:k]
            rows[user, : len(best)] = scores[user, : len(best)] = best
        return Ranked(rows, scores, Reasons.none(scores))


def from_settings(settings: Settings) -> NewestRecommender:
    """The same for all settings."""
    return NewestRecommender()
