"""A worker's life: start, recover, wait for the catalogue, run, drain, leave."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from threadpoolctl import threadpool_limits

from streams.kafka import coordinator
from streams.kafka.brokers import Brokers
from streams.kafka.clients import make
from streams.kafka.reading import ISOLATION, TAIL_WAIT_MS, Reader, ends_of
from streams.kafka.topics import rights
from streams.ops.apart import apart
from streams.ops.backoff import StoppedError
from streams.ops.endpoints import Health
from streams.ops.process import exit_after, fail, spared_collector
from streams.settings.settings import Settings, SettingsError
from streams.worker.guard import Guard
from streams.worker.ownership import Ownership
from streams.worker.pipeline import Pipeline
from streams.worker.stages.recommend import Scheduler

log = logging.getLogger(__name__)

# Of the time that a shutdown may take: what joining the group may take of it before the group can be left.
JOINING_SHARE = 0.25
# And what waiting for deliveries may take of it then.
LEAVING_SHARE = 0.25
# Items not yet encoded when a worker starts: how long without progress until events go first.
CATALOG_STALL_S = 30.0


class Worker:
    """Runs a Faust app with its pipeline until told to stop."""

    def __init__(
        self, settings: Settings, faust_app: Any, pipeline: Pipeline, health: Health, kafka: Mapping[str, Any]
    ) -> None:
        """kafka: librdkafka properties (servers, security)."""
        self.settings, self.app, self.pipeline, self.health = settings, faust_app, pipeline, health
        self.kafka = dict(kafka)
        self.scheduler = Scheduler(pipeline, settings.recommend_interval_s, time.monotonic)
        self.backoff = pipeline.backoff
        self.brokers = Brokers(self.kafka, self.backoff)
        self.ownership = Ownership(settings, faust_app, pipeline, health, self.brokers)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Future[Any]] = []
        self._joining: asyncio.Future[Any] | None = None
        self._embeddings: Reader | None = None

    async def run(self, exit_when_idle: float | None = None) -> None:
        """Until SIGTERM, SIGINT, or `exit_when_idle` seconds without work."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        # One thread owns the states; a second one of the matrix library would spin beside it, on the core that
        # fetching, publishing and the encoder need. Torch's threads are the encoder's own setting.
        threadpool_limits(1, user_api="blas")
        with spared_collector():
            starting = asyncio.ensure_future(self._start(exit_when_idle))
            stopped = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopped
            await self._shut_down([starting, *self._tasks])

    # --- start ------------------------------------------------------------------------------------------

    async def _start(self, exit_when_idle: float | None) -> None:
        """Until all that goes on by itself goes on; may be cancelled anywhere."""
        await self.brokers.ask(rights.require, self.brokers.admin, self.settings)
        await self.brokers.ask(self.ownership.look_at_topics)
        self._background(
            self.brokers.watch(partial(rights.watch, settings=self.settings)),
            self.ownership.watch_sources(),
        )
        await self._load_catalogue()
        self.health.set_ready(False, "joining the consumer group")
        self._joining = asyncio.ensure_future(self.app.start())
        self._joining.add_done_callback(self._ended)
        self._background(self._tail_catalogue(), self._gate(), self._watch_lag(), self._watch_crash())
        self._background(
            Guard(self.pipeline, self.brokers, time.monotonic).run(), self.ownership.snapshotter.run()
        )
        if self.settings.recommend:
            self._background(self.scheduler.run())
        if exit_when_idle is not None:
            self._background(self._watch_idle(exit_when_idle))

    def _background(self, *works: Coroutine[Any, Any, None]) -> None:
        for work in works:
            task = asyncio.ensure_future(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def _load_catalogue(self) -> None:
        """Read the embeddings topic to its end before anything else, so that unchanged items are known."""
        self.health.set_ready(False, "loading the catalogue")
        ask, settings = self.brokers.ask, self.settings
        self._embeddings = await ask(Reader, self.kafka, settings.topic_embeddings, wait_ms=TAIL_WAIT_MS)
        limits = settings.recovery_deadline_s, settings.retry_deadline_s
        chunks = await ask(self._embeddings.to_end, *limits)
        while (messages := await apart(next, chunks, None)) is not None:
            await self.pipeline.learn(messages)
        if self.pipeline.cataloguer.foreign and not len(self.pipeline.flow.catalog):
            raise SettingsError(
                f"{self.settings.topic_embeddings} holds {self.pipeline.cataloguer.foreign} embeddings, all of "
                f"another encoder or projection: set INTERESTFLOW_TOPIC_EMBEDDINGS to a topic of its own, raise "
                f"INTERESTFLOW_GENERATION and run `interestflow topics create`"
            )
        log.info("catalogue loaded: %d items", len(self.pipeline.flow.catalog))

    async def _tail_catalogue(self) -> None:
        assert self._embeddings is not None
        while True:
            messages = await asyncio.to_thread(self._embeddings.poll, 0.2)
            if messages:
                await self.pipeline.learn(messages)

    async def _gate(self) -> None:
        """Hold events back until the items that were there at the start are encoded and learnt."""
        await self.brokers.ask(self._wait_for_items)
        ends = await self.brokers.ask(ends_of, self.kafka, self.settings.topic_embeddings)
        assert self._embeddings is not None
        while not self._embeddings.reached(ends):
            await asyncio.sleep(0.05)
        await self.pipeline.on_model(lambda: None)
        log.info("catalogue ready: %d items; events may flow", len(self.pipeline.flow.catalog))
        self.pipeline.last_activity = time.monotonic()
        self.pipeline.catalog_ready.set()
        self.ownership.tell_ready()

    def _wait_for_items(self) -> None:
        ends = ends_of(self.kafka, self.settings.topic_items)
        own = {"group.id": self.settings.group, "isolation.level": ISOLATION, "enable.auto.commit": False}
        group = make(Consumer, {**self.kafka, **own})
        progress, seen = time.monotonic(), -1
        while ends and time.monotonic() - progress < CATALOG_STALL_S and not self._stop.is_set():
            asked = [TopicPartition(self.settings.topic_items, p) for p in ends]
            for found in group.committed(asked, timeout=30):
                if found.offset >= ends[found.partition]:
                    del ends[found.partition]
            if len(self.pipeline.flow.catalog) != seen or not self.ownership.joined():
                progress, seen = time.monotonic(), len(self.pipeline.flow.catalog)
            if ends:
                time.sleep(0.2)
        if ends and not self._stop.is_set():
            log.warning("items are still being encoded; events of unknown items will wait for them")
        group.close()

    # --- watching -----------------------------------------------------------------------------------------

    async def _watch_lag(self) -> None:
        while True:
            await asyncio.sleep(2.0)
            if not self.ownership.joined():
                continue
            consumer = self.app.consumer
            for tp in consumer.assignment():
                if (lag := consumer.lag(tp)) is not None:
                    self.pipeline.metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(lag)

    async def _watch_idle(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(min(0.2, seconds))
            quiet = not self.pipeline.busy and (not self.settings.recommend or self.scheduler.idle)
            ready = self.pipeline.catalog_ready.is_set() and self.health.ready
            if quiet and ready and time.monotonic() - self.pipeline.last_activity >= seconds:
                log.info("idle for %g s", seconds)
                self._stop.set()
                return

    async def _watch_crash(self) -> None:
        while not self.app.crashed:
            coordinator.check(self.app.consumer, self.settings.group, self.settings.retry_deadline_s)
            await asyncio.sleep(0.2)
        raise coordinator.plain(self.app.crash_reason) or RuntimeError("the stream crashed")

    def _ended(self, task: asyncio.Future[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoppedError):
            fail(error)

    # --- end ----------------------------------------------------------------------------------------------

    async def _shut_down(self, tasks: Sequence[asyncio.Future[Any]]) -> None:
        """Stop fetching, finish what is in flight, commit, leave the group; hard exit after the deadline."""
        log.info("stopping")
        self.health.set_ready(False, "stopping")
        exit_after(self.settings.shutdown_deadline_s)
        for task in tasks:
            task.cancel()
        self.backoff.stop()
        if self._joining is not None:
            await self._wait_for_membership()
            if self.ownership.joined():
                await self.app.consumer.finish()
            await self.ownership.leave(self.settings.shutdown_deadline_s * LEAVING_SHARE)
            await self.app.stop()
        left = await asyncio.to_thread(self.pipeline.publisher.sink.close, self.settings.shutdown_deadline_s)
        if left:
            log.error("%d records were not delivered; what they belong to was not acknowledged", left)
        else:
            await self.ownership.snapshotter.save()
        self.pipeline.close()
        self.ownership.close()
        log.info("stopped")

    async def _wait_for_membership(self) -> None:
        """A group that is being joined cannot be left: it would wait for this member until the session ends."""
        give_up = time.monotonic() + self.settings.shutdown_deadline_s * JOINING_SHARE
        while not self.ownership.member and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
