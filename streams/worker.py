"""A worker's life: start, recover, wait for the catalogue, run, drain, leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from faust.types import TP
from threadpoolctl import threadpool_limits

from streams.apart import apart
from streams.backoff import StoppedError
from streams.brokers import Brokers
from streams.metrics import Health
from streams.pipeline import Pipeline
from streams.process import exit_after, fail, spare_the_collector
from streams.reading import TAIL_WAIT_MS, Reader, ends_of
from streams.recommending import Scheduler
from streams.settings import Settings
from streams.state.bound import Bound, Share
from streams.state.guard import Guard
from streams.state.recovery import check_changelog, positions, recover, source_topic
from streams.state.snapshotting import Snapshotter

log = logging.getLogger(__name__)

# Of the time that a shutdown may take: what joining the group may take of it before the group can be left.
JOINING_SHARE = 0.25
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
        self.snapshotter = Snapshotter(pipeline, lambda: source_topic(self.kafka, settings.topic_state))
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Future[Any]] = []
        self._joining: asyncio.Future[Any] | None = None
        self._seeks: dict[int, int] = {}
        self._embeddings: Reader | None = None
        self._recovered = False  # the states of the partitions that are ours now
        # Stands in the changelog, for whoever looks there after a pause or a split.
        self._name = settings.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self._member = False  # of the consumer group, once the first assignment came
        self.bound: Bound | None = None
        if settings.users_in_memory is not None and settings.evicted_dir is not None:
            self.bound = Bound(settings.users_in_memory, settings.evicted_dir)
        faust_app.state_seeks = self._state_seeks
        faust_app.on_rebalance_complete.connect(self._rebalanced)

    async def run(self, exit_when_idle: float | None = None) -> None:
        """Until SIGTERM, SIGINT, or `exit_when_idle` seconds without work."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        spare_the_collector()
        # One thread owns the states; a second one of the matrix library would spin beside it, on the core that
        # fetching, publishing and the encoder need. Torch's threads are the encoder's own setting.
        threadpool_limits(1, user_api="blas")
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
        await self.brokers.ask(self._look_at_topics)
        self._background(self.brokers.watch(self.settings.events_topic))
        await self._load_catalogue()
        self.health.set_ready(False, "joining the consumer group")
        self._joining = asyncio.ensure_future(self.app.start())
        self._joining.add_done_callback(self._ended)
        self._background(self._tail_catalogue(), self._gate(), self._watch_lag(), self._watch_crash())
        self._background(Guard(self.pipeline, self.brokers, time.monotonic).run(), self.snapshotter.run())
        if self.settings.recommend:
            self._background(self.scheduler.run())
        if exit_when_idle is not None:
            self._background(self._watch_idle(exit_when_idle))

    def _background(self, *works: Coroutine[Any, Any, None]) -> None:
        for work in works:
            task = asyncio.ensure_future(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _look_at_topics(self) -> None:
        """Raises StateError or ReadError where there is nothing to go on with."""
        source = source_topic(self.kafka, self.settings.events_topic)
        check_changelog(self.kafka, self.settings.topic_state, source)
        self.pipeline.publisher.source = source
        self.snapshotter.look()

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
            raise RuntimeError(
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
        self._tell_ready()

    def _wait_for_items(self) -> None:
        ends = ends_of(self.kafka, self.settings.topic_items)
        group = Consumer({**self.kafka, "group.id": self.settings.group, "enable.auto.commit": False})
        progress, seen = time.monotonic(), -1
        while ends and time.monotonic() - progress < CATALOG_STALL_S and not self._stop.is_set():
            asked = [TopicPartition(self.settings.topic_items, p) for p in ends]
            for found in group.committed(asked, timeout=30):
                if found.offset >= ends[found.partition]:
                    del ends[found.partition]
            if len(self.pipeline.flow.catalog) != seen or not self._joined():
                progress, seen = time.monotonic(), len(self.pipeline.flow.catalog)
            if ends:
                time.sleep(0.2)
        if ends and not self._stop.is_set():
            log.warning("items are still being encoded; events of unknown items will wait for them")
        group.close()

    def _joined(self) -> bool:
        return self._member and bool(self.app.consumer.assignment())

    # --- group membership ---------------------------------------------------------------------------------

    async def _rebalanced(self, *_: Any, **__: Any) -> None:
        with contextlib.suppress(StoppedError):  # the worker ends, and needs no states any more
            await self._on_rebalance()

    async def _on_rebalance(self, *_: Any, **__: Any) -> None:
        """Recover the states of the partitions that are ours now, before any event flows."""
        topic, settings = self.settings.events_topic, self.settings
        self._member = True
        mine = sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == topic)
        self._recovered = False
        self.health.set_ready(False, f"recovering partitions {mine}")
        started = time.monotonic()
        # Nothing is made of the old states any more, and what is under way stands before our claim.
        await self.pipeline.on_model(self._install, {}, None)
        await self.brokers.ask(self._look_at_topics)
        terms = await asyncio.wrap_future(self.pipeline.publisher.claim(mine, self._name))
        share = await asyncio.to_thread(self.bound.share, len(mine)) if self.bound is not None else None
        states = await self.brokers.ask(
            recover,
            self.kafka,
            settings.topic_state,
            mine,
            self.pipeline.flow.layout,
            self.pipeline.publisher.source,
            dict(zip(mine, terms, strict=True)),
            settings.recovery_deadline_s,
            self.pipeline.metrics.recovered.set,
            share.evictor if share is not None else lambda: None,
            self.snapshotter.start,
        )
        self._seeks = await self.brokers.ask(positions, self.kafka, topic, states)
        for delivered in await self.pipeline.on_model(self._install, states, share):
            await asyncio.wrap_future(delivered)
        await self.pipeline.apply_waiting()
        users = sum(state.known for state in states.values())
        log.info("recovered %d users of partitions %s in %.2f s", users, mine, time.monotonic() - started)
        self.pipeline.last_activity = time.monotonic()
        self._recovered = True
        self._tell_ready()

    def _tell_ready(self) -> None:
        """Ready once the states are there and events may flow."""
        if not self._recovered:
            return
        flowing = self.pipeline.catalog_ready.is_set()
        self.health.set_ready(flowing, "" if flowing else "waiting for the catalogue's items to be encoded")

    def _install(self, states: dict[int, Any], share: Share | None) -> Any:
        """Of one piece on the model thread: nobody is evicted before what was not published is found."""
        self.pipeline.flow.partitions.clear()
        self.pipeline.flow.partitions.update(states)
        if self.bound is not None:
            self.bound.keep(share)
        return self.pipeline.publisher.take_over()

    async def _state_seeks(self, assigned: set[TP]) -> Mapping[TP, int]:
        topic = self.settings.events_topic
        return {tp: self._seeks[tp.partition] for tp in assigned if tp.topic == topic}

    # --- watching -----------------------------------------------------------------------------------------

    async def _watch_lag(self) -> None:
        while True:
            await asyncio.sleep(2.0)
            if not self._joined():
                continue
            consumer = self.app.consumer
            for tp in consumer.assignment():
                highwater, read = consumer.highwater(tp), consumer._read_offset[tp]
                if highwater is not None:
                    lag = max(0, highwater - (read + 1 if read is not None else 0))
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
            await asyncio.sleep(0.2)
        raise self.app.crash_reason or RuntimeError("the stream crashed")

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
            if self._joined():
                await self.app.consumer.finish()
            await self.app.stop()
        left = await asyncio.to_thread(self.pipeline.publisher.sink.close, self.settings.shutdown_deadline_s)
        if left:
            log.error("%d records were not delivered; what they belong to was not acknowledged", left)
        else:
            await self.snapshotter.save()
        self.pipeline.close()
        if self.bound is not None:
            self.bound.keep(None)
        log.info("stopped")

    async def _wait_for_membership(self) -> None:
        """A group that is being joined cannot be left: it would wait for this member until the session ends."""
        give_up = time.monotonic() + self.settings.shutdown_deadline_s * JOINING_SHARE
        while not self._member and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
