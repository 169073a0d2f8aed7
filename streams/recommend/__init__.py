"""Which items fit an interest: the catalogue's vectors, rankings over them, and the reasons of a ranking.

A recommender is one file here that fulfils `base.Recommender`; it never sees users, events or topics.
"""

from streams.recommend.base import Queries, Ranked, Reasons, Recommender
from streams.recommend.catalog import Catalog, item_key
from streams.recommend.content import ContentRecommender
from streams.recommend.explain import explain

__all__ = [
    "Catalog",
    "ContentRecommender",
    "Queries",
    "Ranked",
    "Reasons",
    "Recommender",
    "explain",
    "item_key",
]
