"""Which partitions are this worker's, and their states: recovered at each rebalance, before any event flows."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from sinks.base import Delivery
from streams.kafka.brokers import Brokers
from streams.kafka.member.consumer import NO_GENERATION
from streams.kafka.topics import limits as rooms
from streams.ops.backoff import StoppedError
from streams.ops.heap import Heap
from streams.settings.settings import Settings
from streams.state import removed
from streams.state.bounded.memory_bound import MemoryBound, PartitionBound
from streams.state.users.partition import UserPartition
from streams.worker.learning.ownership import NoItems
from streams.worker.oversight import Oversight
from streams.worker.recovery import (
    Changelog,
    Positions,
    RecoveryOptions,
    check_changelog,
    positions,
    recover,
    topic_identity,
)
from streams.worker.runner import Runner
from streams.worker.snapshotting import Snapshotter
from streams.worker.sources.sources import Sources
from streams.worker.stages.update import Update

log = logging.getLogger(__name__)


class TakenAwayError(Exception):
    """The assignment that a recovery was for has ended: its partitions may be another worker's."""


class Ownership:
    """Of one worker, from the consumer group's point of view and from the changelog's."""

    def __init__(
        self,
        settings: Settings,
        faust_app: Any,
        runner: Runner,
        update: Update,
        sources: Sources,
        snapshotter: Snapshotter,
        brokers: Brokers,
        oversight: Oversight,
        items: NoItems | None = None,
    ) -> None:
        """update: applies what had waited, once a state is back. oversight: is told how far a recovery is."""
        self.settings, self.app, self.runner, self.update = settings, faust_app, runner, update
        self.sources, self.snapshotter, self.brokers = sources, snapshotter, brokers
        self.items = items or NoItems()
        self.health, self.metrics = oversight.health, oversight.metrics
        self.flow, self.model, self.publisher = update.flow, runner.model, runner.publisher
        self.heap = Heap()
        self.member = False  # of the consumer group, once the first assignment came
        self._recovered = False  # the states of the partitions that are ours now
        self._assignment = 0  # number of the one that is ours, or is awaited
        self._leaving = False
        self._seeks: dict[tuple[str, int], int] = {}
        # Stands in the changelog, for whoever looks there after a pause or a split.
        self._name = settings.worker.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self.bound: MemoryBound | None = None
        if settings.memory.users_in_memory is not None and settings.memory.evicted_dir is not None:
            self.bound = MemoryBound(settings.memory.users_in_memory, settings.memory.evicted_dir)
        faust_app.state_seeks, faust_app.state_let_go = self._state_seeks, self._let_go
        faust_app.on_rebalance_complete.connect(self._rebalanced)

    def look_at_topics(self) -> None:
        """Raises StateError, ReadError or TopicError where there is nothing to go on with."""
        source = topic_identity(self.brokers.admin, self.settings.topics.canonical)
        check_changelog(self.brokers.admin, self.settings.topics.state, source)
        self.flow.reads_from(source)
        self.publisher.rooms = rooms.look(self.brokers.admin, self.settings)
        self.snapshotter.look()
        self.items.look_at_topics()

    def joined(self) -> bool:
        """True while the worker has partitions."""
        return self.member and bool(self.app.consumer.assignment())

    async def leave(self, patience_s: float) -> None:
        """Prepare to leave the group: end any recovery, and wait until the states' outputs are delivered.

        The states stay, for a snapshot. patience_s: how long to wait for deliveries, at most.
        """
        self._leaving = True
        self._assignment += 1
        await _ended(await self.model.run(self._under_way), patience_s)

    async def _let_go(self) -> None:
        """End an assignment: drop its states, and wait until their outputs are delivered."""
        self._assignment += 1
        self._recovered = False
        self.health.set_ready(False, "the consumer group is rebalancing")
        await _ended(await self.model.run(self._drop))

    async def _rebalanced(self, *_: Any, **__: Any) -> None:
        # Faust calls it late where the next rebalance has come meanwhile, and then calls it again behind that. A
        # static member may get the same generation again, and then it does not.
        while self.app.consumer_generation_id != NO_GENERATION and not self._recovered:
            if self._leaving:
                self.app.consumer_generation_id = NO_GENERATION  # no events flow any more
                return
            try:
                await self._on_rebalance(self._assignment)
            except TakenAwayError:
                log.info("partitions were taken away while they were recovered")
            except StoppedError:
                self._leaving = True  # the worker ends, and needs no states any more
            self.heap.recovered()

    async def _on_rebalance(self, assignment: int) -> None:
        """Recover the states of the partitions that are ours now, before any event flows.

        Raises TakenAwayError where they are ours no more.
        """
        topic = self.settings.topics.canonical
        self.member = True
        mine = sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == topic)
        self.health.set_ready(False, f"recovering partitions {mine}")
        started = time.monotonic()
        states, share = await self._recover(assignment, mine)
        self._expect(assignment)
        await self.items.recover(self.app.consumer.assignment(), self._name)
        found = await self.brokers.ask(positions, self.brokers.admin, topic, states)
        starts = {(topic, partition): offset for partition, offset in found.starts.items()}
        self._seeks = await self.sources.find() | starts | self.items.seeks
        for delivered in await self.model.run(self._install, assignment, states, share, found):
            await asyncio.wrap_future(delivered)
        await self.runner.apply_waiting(self.update)
        self._expect(assignment)
        users = sum(state.known for state in states.values())
        log.info("recovered %d users of partitions %s in %.2f s", users, mine, time.monotonic() - started)
        self.runner.touch()
        self._recovered = True
        self.tell_ready()

    def _expect(self, assignment: int) -> None:
        """Raises TakenAwayError where this is the assignment no more."""
        if assignment != self._assignment:
            raise TakenAwayError

    async def _recover(
        self, assignment: int, mine: list[int]
    ) -> tuple[dict[int, UserPartition], PartitionBound | None]:
        """Take the partitions over, and read their states."""
        settings, flow = self.settings, self.flow
        await self.brokers.ask(self.look_at_topics)
        self._expect(assignment)
        epochs = await asyncio.wrap_future(self.publisher.write_owner_records(mine, self._name))
        share = (
            await asyncio.to_thread(self.bound.for_partitions, len(mine)) if self.bound is not None else None
        )
        states = await self.brokers.ask(
            recover,
            Changelog(
                self.brokers.kafka, settings.topics.state, flow.source, settings.worker.recovery_deadline_s
            ),
            dict(zip(mine, epochs, strict=True)),
            lambda partition: UserPartition(partition, flow.layout),
            RecoveryOptions(
                self.metrics.recovered.set,
                share.evictor if share is not None else lambda: None,
                self.snapshotter.start,
            ),
        )
        return states, share

    def tell_ready(self) -> None:
        """Ready once the states are there and events may flow."""
        if not self._recovered:
            return
        flowing = self.runner.catalog_ready.is_set()
        self.health.set_ready(flowing, "" if flowing else "waiting for the catalog's items to be encoded")

    def _install(
        self,
        assignment: int,
        states: dict[int, UserPartition],
        share: PartitionBound | None,
        found: Positions,
    ) -> list[Delivery]:
        """Take the states into use; returns the deliveries of what had not been published yet.

        Raises TakenAwayError. One call on the model thread: no user is evicted before the unpublished vectors are
        found; and an assignment that ends is either seen here, or ends behind this call and drops the states.
        """
        if assignment != self._assignment:
            if share is not None:
                share.file.close()
            raise TakenAwayError
        for number, part in states.items():
            begin = found.begins[number]
            if lost := removed.book(part, begin):
                self.sources.report_removed(self.settings.topics.canonical, number, begin - lost, begin)
        self.flow.partitions.update(states)
        if self.bound is not None:
            self.bound.keep(share)
        return self.publisher.take_over() + self.items.install()

    def _drop(self) -> Sequence[Delivery]:
        """Forget all states; returns the deliveries that are under way. On the model thread."""
        under_way = self._under_way()
        self.flow.partitions.clear()
        self.items.drop()
        self.close()
        return under_way

    def _under_way(self) -> Sequence[Delivery]:
        parts, items = self.flow.partitions.values(), self.items.under_way()
        return [delivered for part in parts for delivered in part.deliveries.under_way] + items

    async def _state_seeks(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Where to read these partitions on. Raises RebalanceAgain where the next assignment came before."""
        topics = {self.settings.topics.canonical, *self.items.topics}
        if not self._recovered or any(tp.topic in topics and tp not in self._seeks for tp in assigned):
            # Faust would let events flow of partitions whose states are not there; so it waits for their recovery.
            raise RebalanceAgain
        return {tp: self._seeks[tp] for tp in assigned if tp.topic in topics or tp in self._seeks}

    def close(self) -> None:
        """Release the local file of evicted users: no state is in use any more."""
        if self.bound is not None:
            self.bound.keep(None)


async def _ended(deliveries: Sequence[Delivery], patience_s: float | None = None) -> None:
    """Wait until they have ended, well or not: whoever published them handles a failure."""
    if deliveries:
        await asyncio.wait([asyncio.wrap_future(delivered) for delivered in deliveries], timeout=patience_s)
