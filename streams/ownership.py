"""Which partitions are this worker's, and their states: recovered at each rebalance, before any event flows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from faust.types import TP

from streams.backoff import StoppedError
from streams.brokers import Brokers
from streams.generations import ingested
from streams.metrics import Health
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.state.bound import Bound, Share
from streams.state.recovery import check_changelog, positions, recover, source_topic
from streams.state.snapshotting import Snapshotter
from streams.state.store import PartitionState

log = logging.getLogger(__name__)


class Ownership:
    """Of one worker, from the consumer group's point of view and from the changelog's."""

    def __init__(
        self, settings: Settings, faust_app: Any, pipeline: Pipeline, health: Health, brokers: Brokers
    ) -> None:
        self.settings, self.app, self.pipeline, self.health = settings, faust_app, pipeline, health
        self.brokers = brokers
        self.snapshotter = Snapshotter(pipeline, lambda: source_topic(brokers.admin, settings.topic_state))
        self.member = False  # of the consumer group, once the first assignment came
        self._recovered = False  # the states of the partitions that are ours now
        self._seeks: dict[tuple[str, int], int] = {}
        # Stands in the changelog, for whoever looks there after a pause or a split.
        self._name = settings.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self.bound: Bound | None = None
        if settings.users_in_memory is not None and settings.evicted_dir is not None:
            self.bound = Bound(settings.users_in_memory, settings.evicted_dir)
        faust_app.state_seeks = self._state_seeks
        faust_app.on_rebalance_complete.connect(self._rebalanced)

    def look_at_topics(self) -> None:
        """Raises StateError or ReadError where there is nothing to go on with."""
        source = source_topic(self.brokers.admin, self.settings.events_topic)
        check_changelog(self.brokers.admin, self.settings.topic_state, source)
        self.pipeline.publisher.source = source
        self.snapshotter.look()

    def joined(self) -> bool:
        """True while the worker has partitions."""
        return self.member and bool(self.app.consumer.assignment())

    async def _rebalanced(self, *_: Any, **__: Any) -> None:
        with contextlib.suppress(StoppedError):  # the worker ends, and needs no states any more
            await self._on_rebalance()

    async def _on_rebalance(self, *_: Any, **__: Any) -> None:
        """Recover the states of the partitions that are ours now, before any event flows."""
        topic = self.settings.events_topic
        self.member = True
        mine = sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == topic)
        self._recovered = False
        self.health.set_ready(False, f"recovering partitions {mine}")
        started = time.monotonic()
        states, share = await self._recover(mine)
        found = await self.brokers.ask(positions, self.brokers.kafka, topic, states)
        self._seeks = {(topic, partition): offset for partition, offset in found.items()}
        self._seeks |= await self.brokers.ask(ingested, self.brokers.kafka, self.settings, self._raw())
        for delivered in await self.pipeline.on_model(self._install, states, share):
            await asyncio.wrap_future(delivered)
        await self.pipeline.apply_waiting()
        users = sum(state.known for state in states.values())
        log.info("recovered %d users of partitions %s in %.2f s", users, mine, time.monotonic() - started)
        self.pipeline.last_activity = time.monotonic()
        self._recovered = True
        self.tell_ready()

    async def _recover(self, mine: list[int]) -> tuple[dict[int, PartitionState], Share | None]:
        """Claim the partitions, and read their states; the old ones are let go of first."""
        settings, pipeline = self.settings, self.pipeline
        # Nothing is made of the old states any more, and what is under way stands before our claim.
        await pipeline.on_model(self._install, {}, None)
        await self.brokers.ask(self.look_at_topics)
        terms = await asyncio.wrap_future(pipeline.publisher.claim(mine, self._name))
        share = await asyncio.to_thread(self.bound.share, len(mine)) if self.bound is not None else None
        states = await self.brokers.ask(
            recover,
            self.brokers.kafka,
            settings.topic_state,
            mine,
            pipeline.flow.layout,
            pipeline.publisher.source,
            dict(zip(mine, terms, strict=True)),
            settings.recovery_deadline_s,
            pipeline.metrics.recovered.set,
            share.evictor if share is not None else lambda: None,
            self.snapshotter.start,
        )
        return states, share

    def tell_ready(self) -> None:
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
        return {tp: self._seeks[tp] for tp in assigned if tp.topic == topic or tp in self._seeks}

    def _raw(self) -> list[tuple[str, int]]:
        """The partitions of the sources that are ours now."""
        topics = {source.topic for source in self.settings.raw_sources}
        return [(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in topics]

    def close(self) -> None:
        """No state is in use any more."""
        if self.bound is not None:
            self.bound.keep(None)
