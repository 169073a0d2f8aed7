"""Builds what a worker needs to learn of items."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from streams.flow.learning.tower_records import TowerWriter
from streams.items.table import ItemTable
from streams.items.towers import space_of
from streams.kafka.brokers import Brokers
from streams.ops.metrics import Metrics
from streams.recommend.abilities import LearnsTowers, SharesLearning
from streams.settings.settings import Settings
from streams.worker.guard import Guard
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.learning.learning import Learning
from streams.worker.learning.ownership import ItemOwnership, NoItems
from streams.worker.learning.ranker import NoRanker, SharedRanker
from streams.worker.learning.towers import NoTowers, SharedTowers
from streams.worker.publishing import Publisher
from streams.worker.runner import Runner
from streams.worker.stages.learn import Learn


def build_learning(
    settings: Settings, app: Any, runner: Runner, brokers: Brokers, metrics: Metrics, encoder: str
) -> tuple[Learning | None, NoItems]:
    """What goes on beside the stages, and the items' part of what the worker owns; the stage is given to the app.

    encoder: its identity.
    """
    publisher, topics = runner.publisher, settings.topics
    if publisher.signals is None:
        return None, NoItems()
    recommender = publisher.flow.recommender
    ranker = (
        SharedRanker(topics, recommender, publisher.sink)
        if isinstance(recommender, SharesLearning)
        else NoRanker()
    )
    table, space = ItemTable(publisher.flow.catalog), space_of(encoder)
    give(recommender, table)
    towers = build_towers(settings, publisher, space)
    show_towers(metrics, towers)
    learn = Learn(ranker.merge, metrics.book_signals, topics.canonical)
    interval = settings.recommendations.learned_interval_s
    runner.read(app, learn, [topics.item_signals])
    metrics.watch_items(learn.partitions)
    flusher = ItemFlusher(topics, learn, publisher.sink, runner.model, interval, ranker, towers=towers)
    follower = LearnedFollower(
        *(topics.learned, settings.worker, brokers, runner.model, table, metrics, time.time, ranker, towers)
    )
    again, model, clock = flusher.write_again, runner.model, time.monotonic
    guard = Guard(topics.items_state, learn.partitions, again, model, brokers, metrics, clock, kind="items")
    owned = ItemOwnership(settings, flusher, publisher.signals, brokers, follower, space)
    return Learning(flusher, follower, guard), owned


def build_towers(settings: Settings, publisher: Publisher, space: int) -> NoTowers:
    """What shares the recommender's two-tower vectors, where it has some."""
    flow, topics = publisher.flow, settings.topics
    towers = flow.recommender.towers if isinstance(flow.recommender, LearnsTowers) else None
    if towers is None:
        return NoTowers()
    # Another name at each start: its numbers begin anew.
    writer = TowerWriter(topics.item_signals, space, uuid4().hex)
    return SharedTowers(towers, flow.catalog, publisher.sink, writer, topics.generation)


def show_towers(metrics: Metrics, towers: NoTowers) -> None:
    """Let the metrics show how far the vectors are, whenever they are read."""
    metrics.tower_uses.set_function(lambda: towers.uses)
    metrics.tower_unmerged.set_function(lambda: towers.unmerged)


def give(recommender: object, table: ItemTable) -> None:
    """Let a recommender read the table, where it can."""
    if (use := getattr(recommender, "use_items", None)) is not None:
        use(table)
