"""Which items fit an interest: the catalog's vectors, rankings over them, and the reasons of a ranking.

A recommender is one file here that fulfils `base.Recommender`; it never sees users, events or topics. What all users
do is not known here: a source that needs it reads a fitted file in its factory. The contract suites in tests/contracts
run over every recommender of the registry, and over every candidate source.
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
