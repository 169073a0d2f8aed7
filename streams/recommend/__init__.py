"""Which items fit an interest: the catalog's vectors, rankings over them, and the reasons of a ranking.

A recommender is one file here that fulfils `base.Recommender`; it never sees users, events or topics. The contract
suite in tests/contracts runs over every one of the registry by itself.
"""

from streams.recommend.base import Queries, Ranked, Reasons, Recommender
from streams.recommend.catalog import Catalog, item_key
from streams.recommend.content import ContentRecommender
from streams.recommend.explain import explain
from streams.settings.registries import RECOMMENDERS

__all__ = [
    "RECOMMENDERS",
    "Catalog",
    "ContentRecommender",
    "Queries",
    "Ranked",
    "Reasons",
    "Recommender",
    "explain",
    "item_key",
]
