"""A worker's life: start, recover, wait for the catalog, run, drain, leave."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from streams.kafka.brokers import Brokers
from streams.kafka.member import coordinator
from streams.kafka.topics import rights
from streams.kernels.compiling import compiled
from streams.ops.backoff import StoppedError
from streams.ops.process import exit_after, fail, spared_collector
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.worker.catalog_following import CatalogFollower
from streams.worker.guard import Guard
from streams.worker.learning.learning import Learning
from streams.worker.oversight import Oversight
from streams.worker.ownership import Ownership
from streams.worker.runner import Runner
from streams.worker.scheduling import Scheduler

log = logging.getLogger(__name__)

# Of the time that a shutdown may take: what joining the group may take of it before the group can be left.
JOINING_SHARE = 0.25
# And what waiting for deliveries may take of it then.
LEAVING_SHARE = 0.25


class Worker:
    """Runs a Faust app and all that goes on beside it until told to stop."""

    def __init__(
        self,
        settings: Settings,
        faust_app: Any,
        runner: Runner,
        ownership: Ownership,
        catalog: CatalogFollower,
        guard: Guard[UserPartition],
        scheduler: Scheduler,
        brokers: Brokers,
        oversight: Oversight,
        learning: Learning | None = None,
    ) -> None:
        """learning: None where the worker does not learn of items."""
        self.settings, self.app, self.runner, self.ownership = settings, faust_app, runner, ownership
        self.catalog, self.guard, self.scheduler = catalog, guard, scheduler
        self.brokers, self.health, self.metrics = brokers, oversight.health, oversight.metrics
        self.publisher, self.learning = runner.publisher, learning
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Future[Any]] = []
        self._joining: asyncio.Future[Any] | None = None

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
            self.ownership.sources.watch(),
        )
        self.health.set_ready(False, "compiling the fold")
        await self.runner.model.run(compiled)
        self.health.set_ready(False, "loading the catalog")
        await self.catalog.load()
        if self.learning is not None:
            await self.learning.load()
        self.health.set_ready(False, "joining the consumer group")
        self._joining = asyncio.ensure_future(self.app.start())
        self._joining.add_done_callback(self._ended)
        self._background(self.catalog.follow(), self._gate(), self._watch_lag(), self._watch_crash())
        self._background(self.guard.run(), self.ownership.snapshotter.run())
        if self.learning is not None:
            self._background(*self.learning.works())
        if self.settings.recommendations.enabled:
            self._background(self.scheduler.run())
        if exit_when_idle is not None:
            self._background(self._watch_idle(exit_when_idle))

    def _background(self, *works: Coroutine[Any, Any, None]) -> None:
        for work in works:
            task = asyncio.ensure_future(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def _gate(self) -> None:
        """Hold events back until the items that were there at the start are known."""
        await self.catalog.catch_up()
        self.runner.touch()
        self.runner.catalog_ready.set()
        self.ownership.tell_ready()

    # --- watching -----------------------------------------------------------------------------------------

    async def _watch_lag(self) -> None:
        while True:
            await asyncio.sleep(2.0)
            self.show_lags()

    def show_lags(self) -> None:
        """Show the lag of what is ours now; what was taken away is another worker's to show."""
        consumer = self.app.consumer
        ours = consumer.assignment() if self.ownership.joined() else ()
        self.metrics.show_lags({(tp.topic, tp.partition): consumer.lag(tp) for tp in ours})

    async def _watch_idle(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(min(0.2, seconds))
            quiet = not self.runner.busy and (
                not self.settings.recommendations.enabled or self.scheduler.stage.idle
            )
            quiet = quiet and (self.learning is None or self.learning.idle)
            ready = self.runner.catalog_ready.is_set() and self.health.ready
            if quiet and ready and time.monotonic() - self.runner.last_activity >= seconds:
                log.info("idle for %g s", seconds)
                self._stop.set()
                return

    async def _watch_crash(self) -> None:
        while not self.app.crashed:
            coordinator.check(
                self.app.consumer, self.settings.topics.group, self.settings.worker.retry_deadline_s
            )
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
        exit_after(self.settings.worker.shutdown_deadline_s)
        for task in tasks:
            task.cancel()
        self.catalog.stop()
        self.brokers.backoff.stop()
        if self._joining is not None:
            await self._wait_for_membership()
            if self.ownership.joined():
                await self.app.consumer.finish()
            await self.ownership.leave(self.settings.worker.shutdown_deadline_s * LEAVING_SHARE)
            await self.app.stop()
        left = await asyncio.to_thread(self.publisher.sink.close, self.settings.worker.shutdown_deadline_s)
        if left:
            log.error("%d records were not delivered; what they belong to was not acknowledged", left)
        else:
            await self.ownership.snapshotter.save()
        self.runner.close()
        self.ownership.close()
        log.info("stopped")

    async def _wait_for_membership(self) -> None:
        """A group that is being joined cannot be left: it would wait for this member until the session ends."""
        give_up = time.monotonic() + self.settings.worker.shutdown_deadline_s * JOINING_SHARE
        while not self.ownership.member and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
