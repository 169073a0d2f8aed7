"""Which partitions are this worker's, and their states: recovered at each rebalance, before any event flows."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.kafka.brokers import Brokers
from streams.kafka.topics import limits as rooms
from streams.kafka.topics.ids import Watched, ids_now, known_ids, require_forward
from streams.kafka.transport import NO_GENERATION
from streams.ops.backoff import StoppedError
from streams.ops.heap import Heap
from streams.ops.metrics import Health
from streams.settings.settings import Settings
from streams.state import removed
from streams.state.bounded.bound import Bound, Share
from streams.state.users.partition import UserPartition
from streams.worker.pipeline import Pipeline
from streams.worker.recovery import Positions, check_changelog, positions, recover, source_topic
from streams.worker.snapshotting import Snapshotter
from streams.worker.source_positions import find

log = logging.getLogger(__name__)

# Between looks whether the sources are the topics that they were.
LOOK_S = 5.0


class TakenAwayError(Exception):
    """The assignment that a recovery was for has ended: its partitions may be another worker's."""


class Ownership:
    """Of one worker, from the consumer group's point of view and from the changelog's."""

    def __init__(
        self, settings: Settings, faust_app: Any, pipeline: Pipeline, health: Health, brokers: Brokers
    ) -> None:
        self.settings, self.app, self.pipeline, self.health = settings, faust_app, pipeline, health
        self.brokers = brokers
        self.heap = Heap()
        self.snapshotter = Snapshotter(pipeline, lambda: source_topic(brokers.admin, settings.topic_state))
        self.member = False  # of the consumer group, once the first assignment came
        self._recovered = False  # the states of the partitions that are ours now
        self._assignment = 0  # number of the one that is ours, or is awaited
        self._leaving = False
        self._seeks: dict[tuple[str, int], int] = {}
        self.sources = Watched(settings.events_topic)
        # Stands in the changelog, for whoever looks there after a pause or a split.
        self._name = settings.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self.bound: Bound | None = None
        if settings.users_in_memory is not None and settings.evicted_dir is not None:
            self.bound = Bound(settings.users_in_memory, settings.evicted_dir)
        faust_app.state_seeks, faust_app.state_let_go = self._state_seeks, self._let_go
        faust_app.state_moved, faust_app.state_topic_ids = self._moved, self.sources.ids
        faust_app.on_rebalance_complete.connect(self._rebalanced)

    def look_at_topics(self) -> None:
        """Raises StateError, ReadError or TopicError where there is nothing to go on with."""
        source = source_topic(self.brokers.admin, self.settings.events_topic)
        check_changelog(self.brokers.admin, self.settings.topic_state, source)
        self.pipeline.flow.reads_from(source)
        self.pipeline.publisher.rooms = rooms.look(self.brokers.admin, self.settings)
        self.snapshotter.look()

    def joined(self) -> bool:
        """True while the worker has partitions."""
        return self.member and bool(self.app.consumer.assignment())

    async def leave(self, patience_s: float) -> None:
        """The worker is about to leave the group: no recovery goes on, and what was made of the states is out.

        The states stay, for a snapshot. patience_s: to wait for deliveries, at most.
        """
        self._leaving = True
        self._assignment += 1
        await _ended(await self.pipeline.on_model(self._under_way), patience_s)

    async def _let_go(self) -> None:
        """An assignment ends: what was made of its states is out, and nothing is made of them any more."""
        self._assignment += 1
        self._recovered = False
        self.health.set_ready(False, "the consumer group is rebalancing")
        await _ended(await self.pipeline.on_model(self._drop))

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
        topic = self.settings.events_topic
        self.member = True
        mine = sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == topic)
        self.health.set_ready(False, f"recovering partitions {mine}")
        started = time.monotonic()
        states, share = await self._recover(assignment, mine)
        found = await self.brokers.ask(positions, self.brokers.admin, topic, states)
        await self._find_sources()
        self._seeks |= {(topic, partition): offset for partition, offset in found.starts.items()}
        for delivered in await self.pipeline.on_model(self._install, assignment, states, share, found):
            await asyncio.wrap_future(delivered)
        await self.pipeline.apply_waiting()
        self._expect(assignment)
        users = sum(state.known for state in states.values())
        log.info("recovered %d users of partitions %s in %.2f s", users, mine, time.monotonic() - started)
        self.pipeline.last_activity = time.monotonic()
        self._recovered = True
        self.tell_ready()

    async def _find_sources(self) -> None:
        """Where to read the sources on, other than where the group has committed."""
        raw, ask = self._raw(), self.brokers.ask
        topics = {self.settings.events_topic, *(topic for topic, _ in raw)}
        self.sources.look(await ask(known_ids, self.brokers.admin, topics))
        ids = self.sources.ids
        self.pipeline.ingester.reads_from(ids, ids[self.settings.events_topic])
        found = await ask(find, self.brokers.admin, self.brokers.kafka, self.settings, raw, self.sources.ids)
        self._seeks = dict(found.seeks)
        for (topic, partition), (begin, end) in found.removed.items():
            self._tell_removed(topic, partition, begin, end)

    def _tell_removed(self, topic: str, partition: int, begin: int, end: int) -> None:
        log.warning(
            "%s-%d: offsets %d to %d were removed before they were read; reading goes on at offset %d. Where that "
            "was retention, let the topic keep its records for longer than workers may be away",
            *(topic, partition, begin, end - 1, end),
        )
        self.pipeline.metrics.removed.labels(topic, str(partition)).inc(end - begin)

    def _moved(self, tp: TP, asked: int, begin: int) -> None:
        """A partition no longer holds what was to be read. Raises SourceChangedError where it began anew."""
        require_forward(tp.topic, tp.partition, asked, begin, self.settings.events_topic)
        self._tell_removed(tp.topic, tp.partition, asked, begin)

    async def watch_sources(self) -> None:
        """For ever. Raises SourceChangedError where one was deleted or made anew."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.sources.look(await self.brokers.ask(ids_now, self.brokers.admin, list(self.sources.ids)))

    def _expect(self, assignment: int) -> None:
        """Raises TakenAwayError where this is the assignment no more."""
        if assignment != self._assignment:
            raise TakenAwayError

    async def _recover(
        self, assignment: int, mine: list[int]
    ) -> tuple[dict[int, UserPartition], Share | None]:
        """Claim the partitions, and read their states."""
        settings, pipeline = self.settings, self.pipeline
        await self.brokers.ask(self.look_at_topics)
        self._expect(assignment)
        terms = await asyncio.wrap_future(pipeline.publisher.claim(mine, self._name))
        share = await asyncio.to_thread(self.bound.share, len(mine)) if self.bound is not None else None
        states = await self.brokers.ask(
            recover,
            self.brokers.kafka,
            settings.topic_state,
            mine,
            lambda partition: UserPartition(partition, pipeline.flow.layout),
            pipeline.flow.source,
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

    def _install(
        self, assignment: int, states: dict[int, UserPartition], share: Share | None, found: Positions
    ) -> list[Any]:
        """Use the states; the deliveries of what they show not to be out. Raises TakenAwayError.

        Of one piece on the model thread: nobody is evicted before what was not published is found, and an
        assignment that has ended is seen here, or drops what is done here.
        """
        if assignment != self._assignment:
            if share is not None:
                share.file.close()
            raise TakenAwayError
        for number, part in states.items():
            begin = found.begins[number]
            if lost := removed.book(part, begin):
                self._tell_removed(self.settings.events_topic, number, begin - lost, begin)
        self.pipeline.flow.partitions.update(states)
        if self.bound is not None:
            self.bound.keep(share)
        return self.pipeline.publisher.take_over()

    def _drop(self) -> list[Any]:
        """Forget all states; the deliveries that are under way. On the model thread."""
        under_way = self._under_way()
        self.pipeline.flow.partitions.clear()
        self.close()
        return under_way

    def _under_way(self) -> list[Any]:
        parts = self.pipeline.flow.partitions.values()
        return [delivered for part in parts for delivered in part.deliveries.under_way]

    async def _state_seeks(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Where to read these partitions on. Raises RebalanceAgain where the next assignment came before."""
        topic = self.settings.events_topic
        if not self._recovered or any(tp.topic == topic and tp not in self._seeks for tp in assigned):
            # Faust would let events flow of partitions whose states are not there; so it waits for their recovery.
            raise RebalanceAgain
        return {tp: self._seeks[tp] for tp in assigned if tp.topic == topic or tp in self._seeks}

    def _raw(self) -> list[tuple[str, int]]:
        """The partitions of the sources that are ours now."""
        topics = {source.topic for source in self.settings.raw_sources}
        return [(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in topics]

    def close(self) -> None:
        """No state is in use any more."""
        if self.bound is not None:
            self.bound.keep(None)


async def _ended(deliveries: list[Any], patience_s: float | None = None) -> None:
    """Wait until they have ended, well or not: whoever handed them over hears of a failure."""
    if deliveries:
        await asyncio.wait([asyncio.wrap_future(delivered) for delivered in deliveries], timeout=patience_s)
