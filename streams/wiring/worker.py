"""Settings into a worker: its stages, the runner, and all that goes on beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from encoders.core.base import Encoder, identity
from sinks.base import Log
from streams.catalog.updater import CatalogUpdater
from streams.events.adapters import adapter
from streams.events.adapters.base import Adapter
from streams.flow.encoding import Scoring
from streams.flow.flow import Flow
from streams.flow.future import Future
from streams.kafka import security
from streams.kafka.brokers import Brokers
from streams.kafka.clients import client_config
from streams.ops.backoff import Backoff
from streams.ops.endpoints import Health
from streams.ops.log_lines import with_log
from streams.ops.metrics import Metrics
from streams.ops.process import fail
from streams.recommend.abilities import ShowsExposure
from streams.settings.settings import Settings
from streams.wiring import combinations
from streams.wiring.app import build_faust_app, build_flow, build_rows, state_space
from streams.wiring.destinations import build_log
from streams.wiring.encoder import build_encoder, build_scoring
from streams.wiring.learning import build_learning
from streams.worker.catalog_following import CatalogFollower
from streams.worker.guard import Guard
from streams.worker.measuring import (
    MeasuredCatalogStage,
    MeasuredPublisher,
    MeasuredRunner,
    MeasuredScheduler,
    MeasuredSink,
    MeasuredUpdate,
)
from streams.worker.oversight import Oversight
from streams.worker.ownership import Ownership
from streams.worker.publishing import Publisher
from streams.worker.recovery import topic_identity
from streams.worker.runner import Runner
from streams.worker.scheduling import Scheduler
from streams.worker.snapshotting import Snapshotter
from streams.worker.sources.sources import Sources
from streams.worker.stages.catalog import CatalogStage
from streams.worker.stages.ingest import Ingest
from streams.worker.stages.recommend import Recommend
from streams.worker.stages.update import Update
from streams.worker.threads import EncoderThreads, ModelThread
from streams.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Parts:
    """What handles records: the stages, and who runs them."""

    runner: Runner
    ingest: Ingest
    update: Update
    catalog: CatalogStage
    scheduler: Scheduler


def build_worker(settings: Settings, shared: tuple[int, ...] = ()) -> Worker:
    """Everything, wired. Raises SettingsError, SecurityError or EncoderError that says what to do.

    shared: see `build_rows`.
    """
    security.require(settings.kafka)
    combinations.require(settings)
    combinations.tell_of_idle(settings)
    kafka = with_log(client_config(settings))
    encoder, scoring = build_encoder(settings), build_scoring(settings)
    flow = build_flow(settings, state_space(encoder, scoring), build_rows(settings, shared))
    adapters = {source.topic: adapter(source.format, settings) for source in settings.topics.raw_sources}
    metrics, health = Metrics(), Health()
    backoff = Backoff(metrics, health, settings.worker.retry_deadline_s)
    oversight = Oversight(metrics, health, backoff, fail)
    parts = build_parts(settings, flow, encoder, build_log(settings, kafka), adapters, oversight, scoring)
    show(settings, parts, metrics)
    return _build_life(settings, parts, Brokers(kafka, backoff), oversight)


def build_parts(
    settings: Settings,
    flow: Flow,
    encoder: Encoder,
    sink: Log,
    adapters: Mapping[str, Adapter],
    oversight: Oversight,
    scoring: Scoring | None = None,
) -> Parts:
    """Stages and runner. adapters: by source topic. scoring: tells the texts' sentiment."""
    metrics, fail = oversight.metrics, oversight.fail
    snapshots = settings.memory.snapshot_dir is not None
    learns, log = settings.recommendations.learn_items, MeasuredSink(sink, metrics)
    publisher = MeasuredPublisher(metrics, settings.topics, flow, log, snapshots, learns)
    threads = EncoderThreads(encoder, metrics, oversight.backoff)
    runner = MeasuredRunner(
        metrics, ModelThread(), threads, publisher, settings.worker.batches_in_flight, fail
    )
    future, limits = Future(time.time, settings.limits.future_tolerance_s), flow.options.limits
    catalog_updater, embeddings = CatalogUpdater(flow.catalog, encoder, limits), settings.topics.embeddings
    return Parts(
        runner,
        Ingest(settings.topics.canonical, adapters, limits, future, lambda: publisher.rooms.events),
        MeasuredUpdate(metrics, flow, encoder, future, scoring),
        MeasuredCatalogStage(metrics, catalog_updater, encoder, embeddings),
        MeasuredScheduler(metrics, _build_recommend(settings, flow, publisher), runner),
    )


def _build_recommend(settings: Settings, flow: Flow, publisher: Publisher) -> Recommend:
    interval, topic = settings.recommendations.interval_s, settings.topics.recommendations
    return Recommend(flow, topic, interval, time.monotonic, lambda: publisher.rooms.recommendations)


def show(settings: Settings, parts: Parts, metrics: Metrics) -> None:
    """Let the metrics show what the parts count themselves."""
    flow, catalog_updater, scoring = parts.update.flow, parts.catalog.catalog_updater, parts.update.scoring
    metrics.watch(parts.update.encoder)
    if scoring is not None:
        metrics.watch(scoring.sentiment)
    metrics.watch_users(flow.partitions)
    forgiven = {topic: one.forgiven.counts for topic, one in parts.ingest.adapters.items()}
    forgiven[settings.topics.items] = catalog_updater.forgiven.counts
    forgiven[settings.topics.canonical] = flow.forgiven.counts
    if flow.next_uses is not None:
        metrics.watch_lists(flow.next_uses)
    if isinstance(flow.recommender, ShowsExposure):
        metrics.watch_exposure(flow.recommender.exposure)
    if flow.feedback is not None:
        metrics.watch_feedback(flow.partitions)
    metrics.watch_counts(forgiven, flow.event_weights.unknown.counts)


def _build_life(settings: Settings, parts: Parts, brokers: Brokers, oversight: Oversight) -> Worker:
    """What goes on around the stages of a worker."""
    runner, update, flow, metrics = parts.runner, parts.update, parts.update.flow, oversight.metrics
    app: Any = build_faust_app(settings)
    topics, deadlines = settings.topics, settings.worker
    runner.read(app, parts.catalog, [topics.items])
    runner.read(app, update, [topics.canonical])
    if topics.raw_sources:
        runner.read(app, parts.ingest, [source.topic for source in topics.raw_sources])
    snapshotter = Snapshotter(
        settings.memory, topics.state, flow, runner.model, lambda: topic_identity(brokers.admin, topics.state)
    )
    sources = Sources(topics, app, brokers, metrics, parts.ingest.reads_from)
    learning, items = build_learning(settings, app, runner, brokers, metrics, identity(update.encoder))
    ownership = Ownership(settings, app, runner, update, sources, snapshotter, brokers, oversight, items)
    catalog = CatalogFollower(topics, deadlines, brokers, runner, parts.catalog, update, ownership.joined)
    write_again = runner.publisher.write_again
    guard = Guard(topics.state, flow.partitions, write_again, runner.model, brokers, metrics, time.monotonic)
    return Worker(
        settings, app, runner, ownership, catalog, guard, parts.scheduler, brokers, oversight, learning
    )
