"""Which sources the hybrid recommender has, and what its ranker sees of them."""

from __future__ import annotations

from collections.abc import Sequence

from streams.items.table import ItemTable
from streams.recommend.base import CandidateSource
from streams.recommend.content_ranker import CONTENT
from streams.recommend.learned.columns import Feature
from streams.recommend.nearest.products import EXACT, Approximate, Products
from streams.recommend.sources import neighbours, own, popularity, sessions, similar, two_tower
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.content import NearestSource
from streams.recommend.sources.every import every_source
from streams.recommend.sources.similar import SimilarSource


def _equal(group: str, names: Sequence[str]) -> tuple[Feature, ...]:
    """Features of one group. Before anything was learned, the z-scores of a group have a weight of 1 in all."""
    return tuple(Feature(name, group, start=1 / len(names)) for name in names)


# So each source says as much as any other before the ranker has learned which of them are right.
FEATURES = (
    Feature(CONTENT, CONTENT, signed=True, start=1.0),
    *_equal("neighbours", neighbours.NAMES),
    *_equal("sessions", (sessions.NAME,)),
    *_equal("popularity", popularity.NAMES),
    *_equal("own", own.NAMES),
    *(Feature(name, "similar", signed=True) for name in similar.NAMES),
    # Untaught, its vectors say what the content says already.
    *(Feature(name, "towers", signed=True) for name in two_tower.NAMES),
)


def sources(
    table: ItemTable | None, approximate: Approximate = EXACT, towers: bool = True, lifted: bool = False
) -> Sequence[CandidateSource]:
    """All that read this table; without one, those of content. towers: false to leave the two-tower vectors out.

    lifted: true where cold items are, see `ColdSource`.
    """
    if table is None:
        asked = Asked()
        return NearestSource(products=Products(approximate), asked=asked), SimilarSource(asked=asked)
    return every_source(table, approximate, towers, lifted)
