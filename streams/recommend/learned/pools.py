"""The candidates of each request, from all sources, with every score that a source gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streams.recommend.base import Candidates, CandidateSource, Floats, Queries, Rows, Scorer
from streams.recommend.catalog import Catalog
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.segments import segments


@dataclass(frozen=True, slots=True)
class Pool:
    """One request's candidates. rows: (c,) rising. scores: (S, c) of the features, NaN where no source gives one.

    segment: see `segments`.
    """

    rows: Rows
    scores: Floats
    segment: int


def pools(
    sources: Sequence[CandidateSource], columns: Columns, catalog: Catalog, queries: Queries, k: int
) -> list[Pool]:
    """What all sources find for each query, each item once; at least k where one source finds so many."""
    found = [source.candidates(catalog, queries, k) for source in sources]
    rows, counts = _together([one.rows for one in found], len(queries))
    scores = np.full((len(queries), len(columns.features), rows.shape[1]), np.nan, dtype=np.float32)
    by_name: dict[str, Floats] = {}
    for source, own in zip(sources, found, strict=True):
        by_name |= _scores(source, own, catalog, queries, rows)
    for place, feature in enumerate(columns.features):
        if feature.name in by_name:
            scores[:, place] = by_name[feature.name]
    return [
        Pool(rows[user, :count], scores[user, :, :count], segment)
        for user, (count, segment) in enumerate(zip(counts, segments(queries).tolist(), strict=True))
    ]


def _together(found: Sequence[Rows], users: int) -> tuple[Rows, list[int]]:
    """(U, c) the distinct rows of each user, rising, then -1; and how many they are."""
    each = [np.unique(np.concatenate([rows[user] for rows in found])) for user in range(users)]
    each = [rows[np.searchsorted(rows, 0) :] for rows in each]
    counts = [len(rows) for rows in each]
    together = np.full((users, max(counts, default=0)), -1, dtype=np.int32)
    for user, rows in enumerate(each):
        together[user, : counts[user]] = rows
    return together, counts


def _scores(
    source: CandidateSource, own: Candidates, catalog: Catalog, queries: Queries, rows: Rows
) -> Mapping[str, Floats]:
    """A source's scores of all candidates (U, c); of its own alone where it cannot say more."""
    # As isinstance(source, Scorer), which costs as much as a source.
    if hasattr(source, "scores"):
        return cast(Scorer, source).scores(catalog, queries, rows)
    found = {name: np.full(rows.shape, np.nan, dtype=np.float32) for name in own.scores}
    for user in range(len(rows)):
        mine = own.rows[user] >= 0
        count = int((rows[user] >= 0).sum())
        places = np.searchsorted(rows[user, :count], own.rows[user][mine])
        for name, scores in own.scores.items():
            found[name][user, places] = scores[user][mine]
    return found
