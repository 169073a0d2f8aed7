"""A recommender put together from candidate sources and a ranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.recommend.base import Candidates, CandidateSource, Floats, Queries, Ranked, Ranker
from streams.recommend.catalog import Catalog

# Behind every catalog row.
LAST = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class TwoStageRecommender:
    """Lets the ranker choose among what the sources, at least one, find together.

    A second source changes something only where the ranker scores more than the first source does: so a new source
    comes with a ranker that uses its score, beside `content_scores`.
    """

    sources: Sequence[CandidateSource]
    ranker: Ranker

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        """See `Recommender.recommend`."""
        queries.check(catalog, k)
        found = [source.candidates(catalog, queries, k) for source in self.sources]
        candidates = found[0] if len(found) == 1 else merged(found)
        return self.ranker.rank(catalog, queries, candidates, k, reasons)


def merged(found: Sequence[Candidates]) -> Candidates:
    """The candidates of several sources of the same users, each item once, by row. Sources have names of their own."""
    given = np.concatenate([candidates.rows for candidates in found], axis=1)
    lifted = np.where(given < 0, LAST, given)
    order = np.argsort(lifted, axis=1, kind="stable")
    ordered = np.take_along_axis(lifted, order, axis=1)
    first = np.ones(ordered.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Where each item stands once repeats are gone.
    users, column = np.arange(len(given))[:, None], np.cumsum(first, axis=1) - 1
    rows = np.full(given.shape, -1, dtype=np.int32)
    rows[users, column] = np.where(ordered == LAST, -1, ordered)
    width = int((rows >= 0).sum(axis=1).max(initial=0))
    scores: dict[str, Floats] = {}
    begin = 0
    for candidates in found:
        end = begin + candidates.rows.shape[1]
        for name, own in candidates.scores.items():
            everywhere = np.full(given.shape, np.nan, dtype=np.float32)
            everywhere[:, begin:end] = own
            values = np.take_along_axis(everywhere, order, axis=1)
            known, placed = ~np.isnan(values), np.full(given.shape, np.nan, dtype=np.float32)
            placed[np.nonzero(known)[0], column[known]] = values[known]
            scores[name] = placed[:, :width]
        begin = end
    return Candidates(rows[:, :width], scores)
