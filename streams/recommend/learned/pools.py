"""The candidates of each request, from all sources, with every score that a source gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streams.recommend.base import Candidates, CandidateSource, Floats, Longs, Queries, Rows, Scorer
from streams.recommend.catalog import Catalog
from streams.recommend.finding.finder import Finder
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.segments import segments
from streams.recommend.sources.reading import NO_ROWS, NOTHING, distinct, stacked


@dataclass(frozen=True, slots=True)
class Pool:
    """One request's candidates. rows: (c,) rising. scores: (S, c) of the features, NaN where no source gives one.

    segment: see `segments`.
    """

    rows: Rows
    scores: Floats
    segment: int

    def places(self, rows: Collection[int]) -> Longs:
        """Which of the candidates these catalog rows are, rising; others are left out."""
        wanted = np.array(sorted(set(rows)), dtype=np.int64)
        at = np.searchsorted(self.rows, wanted)
        known = at < len(self.rows)
        known[known] = self.rows[at[known]] == wanted[known]
        found: Longs = at[known]
        return found


class Pooling:
    """All sources together.

    Those that are asked about one user at a time are asked about one user before the next: what they compute of a user
    is computed once.
    """

    def __init__(self, sources: Sequence[CandidateSource], columns: Columns) -> None:
        """columns: made of the scores that are wanted. Raises ValueError where those of one source stand otherwise."""
        self._places = {feature.name: place for place, feature in enumerate(columns.features)}
        self._finders = [source for source in sources if isinstance(source, Finder)]
        self._parts = [_part(source.names, self._places) for source in self._finders]
        self._others = [source for source in sources if not isinstance(source, Finder)]
        told = {name for source in self._finders for name in source.names}
        self._rest = [place for name, place in self._places.items() if name not in told]

    def of(self, catalog: Catalog, queries: Queries, k: int) -> list[Pool]:
        """What all sources find for each query, each item once; at least k where one source finds so many."""
        given = [source.candidates(catalog, queries, k) for source in self._others]
        found = []
        for user, segment in enumerate(segments(queries).tolist()):
            rows = [source.find(catalog, queries, user, k) for source in self._finders]
            rows += [own.rows[user] for own in given]
            found.append(self._told(catalog, queries, user, distinct([NO_ROWS, *rows]), segment))
        for source, own in zip(self._others, given, strict=True):
            _tell(source, own, self._places, catalog, queries, found)
        return found

    def _told(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, segment: int) -> Pool:
        """One user's candidates (c,) with the scores of the sources that are asked about one user at a time."""
        scores = np.empty((len(self._places), len(rows)), dtype=np.float32)
        scores[self._rest] = NOTHING
        for source, part in zip(self._finders, self._parts, strict=True):
            if part is not None:
                source.tell(catalog, queries, user, rows, scores[part])
        return Pool(rows, scores, segment)


def _part(names: Sequence[str], places: Mapping[str, int]) -> slice | None:
    """Where the scores of these names stand, one after the other; None where no feature has these names."""
    at = [places[name] for name in names if name in places]
    if not at:
        return None
    if at != list(range(at[0], at[0] + len(names))):
        raise ValueError(f"the features of one source stand together, in its order: {list(names)}")
    return slice(at[0], at[0] + len(names))


def _tell(
    source: CandidateSource,
    own: Candidates,
    places: Mapping[str, int],
    catalog: Catalog,
    queries: Queries,
    found: Sequence[Pool],
) -> None:
    """Put the scores of a source that is asked about all users at once into their pools."""
    # As isinstance(source, Scorer), which costs as much as a source.
    if hasattr(source, "scores"):
        rows = stacked([pool.rows for pool in found])
        said = cast(Scorer, source).scores(catalog, queries, rows)
        for name, scores in said.items():
            if name in places:
                for pool, one in zip(found, scores, strict=True):
                    pool.scores[places[name]] = one[: len(pool.rows)]
        return
    for user, pool in enumerate(found):
        _place(own, user, places, pool)


def _place(own: Candidates, user: int, places: Mapping[str, int], pool: Pool) -> None:
    """Put the scores of a source that knows those of its own candidates alone into a user's pool."""
    there = own.rows[user] >= 0
    at = np.searchsorted(pool.rows, own.rows[user][there])
    for name, said in own.scores.items():
        if name in places:
            pool.scores[places[name], at] = said[user][there]
