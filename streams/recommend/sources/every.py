"""All candidate sources together."""

from __future__ import annotations

from streams.items.table import ItemTable
from streams.recommend.base import CandidateSource
from streams.recommend.nearest.products import EXACT, Approximate, Products
from streams.recommend.sources.asked import Asked
from streams.recommend.sources.cold import FOUND, FOUND_LATELY, ColdSource
from streams.recommend.sources.content import NearestSource
from streams.recommend.sources.neighbours import NeighbourSource
from streams.recommend.sources.own import OwnSource
from streams.recommend.sources.popularity import PopularitySource
from streams.recommend.sources.sessions import SessionSource
from streams.recommend.sources.similar import SimilarSource
from streams.recommend.sources.two_tower import TwoTowerSource


def every_source(
    table: ItemTable, approximate: Approximate = EXACT, towers: bool = True, lifted: bool = False
) -> tuple[CandidateSource, ...]:
    """Each source once, reading this table; what two of them need is computed once where one asks after the other.

    towers: false to leave `TwoTowerSource` out. lifted: true where cold items are.
    """
    products, asked = Products(approximate), Asked()
    return (
        NeighbourSource(table, asked=asked),
        SessionSource(table, asked=asked),
        PopularitySource(table, asked=asked),
        OwnSource(table, asked=asked),
        NearestSource(products=products, asked=asked),
        ColdSource(table, FOUND_LATELY if lifted else FOUND, products, asked, lately=lifted),
        SimilarSource(asked=asked),
        *((TwoTowerSource(asked=asked),) if towers else ()),
    )
