"""Which sources the hybrid recommender has, and what its ranker sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.items.table import ItemTable
from streams.recommend.base import Candidates, CandidateSource, Queries
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT
from streams.recommend.learned.columns import Feature

# Candidates by content, at least.
BY_CONTENT = 50

FEATURES = (Feature(CONTENT, CONTENT, signed=True, start=1.0),)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A source that is always asked for so many candidates."""

    source: CandidateSource
    least: int

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`."""
        return self.source.candidates(catalog, queries, max(k, self.least))


def sources(table: ItemTable | None) -> Sequence[CandidateSource]:
    """All that read this table; without one, content alone."""
    return (AtLeast(ContentSource(), BY_CONTENT),)
