"""What is built where the stream learns of items, and that nothing is where it does not."""

from __future__ import annotations

from typing import Any

from encoders.text.hashing import HashingEncoder
from streams.items.table import ItemTable
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.wiring.learning import build_learning, give
from streams.worker.learning.ownership import ItemOwnership
from streams.worker.learning.towers import NoTowers, SharedTowers
from tests.streams.flows import make_flow
from tests.streams.parts import make_parts


class App:
    """Takes agents as a Faust app does."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def topic(self, *topics: str) -> tuple[str, ...]:
        return topics

    def agent(self, topic: Any, name: str) -> Any:
        self.names.append(name)
        return lambda function: function


def built(**options: Any) -> tuple[Any, Any, App, Any]:
    """Learning, ownership of items, the app and the recommender."""
    nothing: Any = None
    flow, app = make_flow(recommender="hybrid", **options), App()
    settings = Settings(dimensions=flow.catalog.dim, encoder="hashing", recommender="hybrid", **options)
    parts = make_parts(settings, flow, HashingEncoder(flow.catalog.dim), nothing)
    learning, owned = build_learning(settings, app, parts.runner, nothing, Metrics(), "e@1")
    return learning, owned, app, flow.recommender


def test_without_the_setting_nothing_is_built() -> None:
    learning, owned, app, recommender = built()
    assert (learning, owned.topics, owned.seeks, app.names) == (None, frozenset(), {}, [])
    assert recommender.table is None


def test_with_it_the_recommender_reads_the_table_that_is_fed() -> None:
    learning, owned, app, recommender = built(learn_items=True)
    assert isinstance(owned, ItemOwnership)
    assert app.names == ["learn"]
    assert recommender.table is learning.follower.table
    assert isinstance(recommender.table, ItemTable)
    assert learning.idle
    assert isinstance(learning.follower.towers, SharedTowers)
    assert learning.flusher.towers.towers is recommender.towers


def test_without_two_tower_vectors_nothing_is_told_of_them() -> None:
    learning, *_ = built(learn_items=True, ranking_towers=False)
    assert type(learning.follower.towers) is NoTowers


def test_a_recommender_that_reads_no_table_is_left_alone() -> None:
    give(object(), ItemTable(make_flow().catalog))
