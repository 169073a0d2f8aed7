"""The topic of embeddings, from its beginning and for ever: what a worker knows of items."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from streams.kafka.brokers import Brokers
from streams.kafka.clients import make
from streams.kafka.reading import ISOLATION, TAIL_WAIT_MS, Reader, ends_of
from streams.ops.daemon_calls import call_on_daemon_thread
from streams.settings.sections.topics import TopicSettings
from streams.settings.sections.worker import WorkerSettings
from streams.settings.settings import SettingsError
from streams.worker.runner import Runner
from streams.worker.stages.catalog import CatalogStage
from streams.worker.stages.update import Update

log = logging.getLogger(__name__)

# Items not yet encoded when a worker starts: how long without progress until events go first.
CATALOG_STALL_S = 30.0
# Between two looks at what memory the processes of a machine could share again.
SETTLE_S = 2.0


class CatalogFollower:
    """Of one worker."""

    def __init__(
        self,
        topics: TopicSettings,
        deadlines: WorkerSettings,
        brokers: Brokers,
        runner: Runner,
        catalog: CatalogStage,
        update: Update,
        joined: Callable[[], bool],
    ) -> None:
        """update: applies what waited for an item. joined: whether the worker has partitions."""
        self.topics, self.deadlines, self.brokers, self.runner = topics, deadlines, brokers, runner
        self.stage, self.update, self._joined = catalog, update, joined
        self.catalog = catalog.catalog_updater.catalog
        self._embeddings: Reader | None = None
        self._stopping = False

    async def load(self) -> None:
        """Read the topic to its end before anything else, so that unchanged items are known.

        Raises SettingsError where it holds only another encoder's embeddings, ReadError, GaveUpError, StoppedError.
        """
        ask, topic, deadlines = self.brokers.ask, self.topics.embeddings, self.deadlines
        self._embeddings = await ask(Reader, self.brokers.kafka, topic, wait_ms=TAIL_WAIT_MS)
        limits = deadlines.recovery_deadline_s, deadlines.retry_deadline_s
        chunks = await ask(self._embeddings.to_end, *limits)
        while (messages := await call_on_daemon_thread(next, chunks, None)) is not None:
            await self._learn(messages)
        foreign = self.stage.catalog_updater.foreign
        if foreign and not len(self.catalog):
            raise SettingsError(
                f"{topic} holds {foreign} embeddings, all of another encoder or projection: set "
                f"INTERESTFLOW_TOPIC_EMBEDDINGS to a topic of its own, raise INTERESTFLOW_GENERATION and run "
                f"`interestflow topics create`"
            )
        await self.runner.model.run(self.stage.settle)
        shared = ", with vectors shared by all processes" if self.catalog.shared else ""
        log.info("catalog loaded: %d items%s", len(self.catalog), shared)

    async def follow(self) -> None:
        """For ever, behind what was loaded."""
        assert self._embeddings is not None
        settled = time.monotonic()
        while True:
            messages = await asyncio.to_thread(self._embeddings.poll, 0.2)
            if messages:
                await self._learn(messages)
            if self.catalog.shared and time.monotonic() - settled > SETTLE_S:
                await self.runner.model.run(self.stage.settle)
                settled = time.monotonic()

    async def catch_up(self) -> None:
        """Wait until the items that were there at the start are encoded and learnt."""
        await self.brokers.ask(self._wait_for_items)
        ends = await self.brokers.ask(ends_of, self.brokers.kafka, self.topics.embeddings)
        assert self._embeddings is not None
        while not self._embeddings.reached(ends):
            await asyncio.sleep(0.05)
        await self.runner.model.run(lambda: None)
        log.info("catalog ready: %d items; events may flow", len(self.catalog))

    def stop(self) -> None:
        """Wait for no item any more."""
        self._stopping = True

    async def _learn(self, messages: Sequence[Any]) -> None:
        """Embedding records into the catalog; events that waited for one of these items are applied."""
        await self.runner.model.run(self.stage.learn, messages)
        await self.runner.apply_waiting(self.update)

    def _wait_for_items(self) -> None:
        ends = ends_of(self.brokers.kafka, self.topics.items)
        own = {
            "group.id": self.topics.group,
            "isolation.level": ISOLATION,
            "enable.auto.commit": False,
        }
        group = make(Consumer, {**self.brokers.kafka, **own})
        progress, known = time.monotonic(), -1
        while ends and time.monotonic() - progress < CATALOG_STALL_S and not self._stopping:
            asked = [TopicPartition(self.topics.items, p) for p in ends]
            for found in group.committed(asked, timeout=30):
                if found.offset >= ends[found.partition]:
                    del ends[found.partition]
            if len(self.catalog) != known or not self._joined():
                progress, known = time.monotonic(), len(self.catalog)
            if ends:
                time.sleep(0.2)
        if ends and not self._stopping:
            log.warning("items are still being encoded; events of unknown items will wait for them")
        group.close()
