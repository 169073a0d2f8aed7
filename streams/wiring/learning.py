"""Builds what a worker needs to learn of items."""

from __future__ import annotations

import time
from typing import Any

from streams.items.table import ItemTable
from streams.kafka.brokers import Brokers
from streams.ops.metrics import Metrics
from streams.recommend.abilities import SharesLearning
from streams.settings.settings import Settings
from streams.worker.guard import Guard
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.learning.learning import Learning
from streams.worker.learning.ownership import ItemOwnership, NoItems
from streams.worker.learning.ranker import NoRanker, SharedRanker
from streams.worker.runner import Runner
from streams.worker.stages.learn import Learn


def build_learning(
    settings: Settings, app: Any, runner: Runner, brokers: Brokers, metrics: Metrics
) -> tuple[Learning | None, NoItems]:
    """What goes on beside the stages, and the items' part of what the worker owns; the stage is given to the app."""
    publisher, topics = runner.publisher, settings.topics
    if publisher.signals is None:
        return None, NoItems()
    recommender = publisher.flow.recommender
    ranker = (
        SharedRanker(topics, recommender, publisher.sink)
        if isinstance(recommender, SharesLearning)
        else NoRanker()
    )
    learn, interval = Learn(ranker.merge), settings.recommendations.learned_interval_s
    runner.read(app, learn, [topics.item_signals])
    metrics.watch_items(learn.partitions)
    flusher = ItemFlusher(topics, learn, publisher.sink, runner.model, interval, ranker)
    table = ItemTable(publisher.flow.catalog)
    give(publisher.flow.recommender, table)
    follower = LearnedFollower(
        *(topics.learned, settings.worker, brokers, runner.model, table, metrics, time.time, ranker)
    )
    again, model, clock = flusher.write_again, runner.model, time.monotonic
    guard = Guard(topics.items_state, learn.partitions, again, model, brokers, metrics, clock, kind="items")
    owned = ItemOwnership(settings, flusher, publisher.signals, brokers, follower)
    return Learning(flusher, follower, guard), owned


def give(recommender: object, table: ItemTable) -> None:
    """Let a recommender read the table, where it can."""
    if (use := getattr(recommender, "use_items", None)) is not None:
        use(table)
