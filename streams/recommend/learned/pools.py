"""The candidates of each request, from all sources, with every score that a source gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streams.recommend.base import Candidates, CandidateSource, Finder, Floats, Longs, Queries, Rows, Scorer
from streams.recommend.catalog import Catalog
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.segments import segments
from streams.recommend.sources.reading import NOTHING, distinct


@dataclass(frozen=True, slots=True)
class Pool:
    """One request's candidates. rows: (c,) rising. scores: (S, c) of the features, NaN where no source gives one.

    segment: see `segments`.
    """

    rows: Rows
    scores: Floats
    segment: int

    def places(self, rows: Collection[int]) -> Longs:
        """Which of the candidates these catalog rows are; others are left out."""
        return np.flatnonzero(np.isin(self.rows, np.fromiter(rows, dtype=np.int64, count=len(rows))))


def pools(
    sources: Sequence[CandidateSource], columns: Columns, catalog: Catalog, queries: Queries, k: int
) -> list[Pool]:
    """What all sources find for each query, each item once; at least k where one source finds so many.

    All sources are asked about one user before the next: what they compute of a user is computed once.
    """
    places = {feature.name: place for place, feature in enumerate(columns.features)}
    return [
        _pool(sources, places, catalog, queries.only(range(user, user + 1)), k, segment)
        for user, segment in enumerate(segments(queries).tolist())
    ]


def _pool(
    sources: Sequence[CandidateSource],
    places: Mapping[str, int],
    catalog: Catalog,
    query: Queries,
    k: int,
    segment: int,
) -> Pool:
    """places: of each score among the pool's."""
    found = [_found(source, catalog, query, k) for source in sources]
    rows = distinct(np.concatenate([one.rows[0] for one in found]))
    scores = np.full((len(places), len(rows)), NOTHING, dtype=np.float32)
    for source, own in zip(sources, found, strict=True):
        # As isinstance(source, Scorer), which costs as much as a source.
        if hasattr(source, "scores"):
            for name, said in cast(Scorer, source).scores(catalog, query, rows[None]).items():
                if name in places:
                    scores[places[name]] = said[0]
        else:
            _place(own, places, rows, scores)
    return Pool(rows, scores, segment)


def _found(source: CandidateSource, catalog: Catalog, query: Queries, k: int) -> Candidates:
    """What a source finds; without scores where it gives them for all candidates."""
    if hasattr(source, "rows"):
        return Candidates(cast(Finder, source).rows(catalog, query, k), {})
    return source.candidates(catalog, query, k)


def _place(own: Candidates, places: Mapping[str, int], rows: Rows, scores: Floats) -> None:
    """Put the scores of a source that knows those of its own candidates alone among those (S, c) of the rows (c,)."""
    there = own.rows[0] >= 0
    at = np.searchsorted(rows, own.rows[0][there])
    for name, said in own.scores.items():
        if name in places:
            scores[places[name], at] = said[0][there]
