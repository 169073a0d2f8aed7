"""The topic of what was learned of items, from its beginning and for ever: into the table that recommenders read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from streams.catalog.learned import ORDER, RANKER_KEY, read_learned
from streams.catalog.learned_towers import TOWERS_KEY
from streams.items.signals import Keys
from streams.kafka.brokers import Brokers
from streams.kafka.reading import TAIL_WAIT_MS, Reader, ends_of
from streams.ops.daemon_calls import call_on_daemon_thread
from streams.ops.metrics import Metrics
from streams.settings.sections.worker import WorkerSettings
from streams.worker.learning.newest import Newest
from streams.worker.learning.ranker import NoRanker
from streams.worker.learning.towers import NoTowers
from streams.worker.threads import ModelThread

log = logging.getLogger(__name__)

MS = 1000
CATCH_UP_S, PAUSE_S = 5.0, 0.02


class Table(Protocol):
    """What is known of items; `streams.items.table.ItemTable` is one."""

    def put(self, keys: Keys, states: Any) -> None:
        """Take the newest states (n,) of items; on the model thread."""
        ...


class LearnedFollower:
    """Of one worker."""

    def __init__(
        self,
        topic: str,
        deadlines: WorkerSettings,
        brokers: Brokers,
        model: ModelThread,
        table: Table,
        metrics: Metrics,
        clock: Callable[[], float],
        ranker: NoRanker | None = None,
        towers: NoTowers | None = None,
    ) -> None:
        """topic: of what was learned. clock: seconds since the epoch, for the metric. ranker, towers: go on from what
        all workers' have learned."""
        self.ranker, self.towers = ranker or NoRanker(), towers or NoTowers()
        self.topic, self.deadlines, self.brokers, self.model = topic, deadlines, brokers, model
        self.table, self.metrics, self.clock = table, metrics, clock
        self._reader: Reader | None = None
        self._newest = Newest(len(ORDER))

    async def load(self) -> None:
        """Read the topic to its end. Raises ReadError, GaveUpError, StoppedError."""
        ask, deadlines = self.brokers.ask, self.deadlines
        self._reader = await ask(Reader, self.brokers.kafka, self.topic, wait_ms=TAIL_WAIT_MS)
        chunks = await ask(self._reader.to_end, deadlines.recovery_deadline_s, deadlines.retry_deadline_s)
        while (messages := await call_on_daemon_thread(next, chunks, None)) is not None:
            await self.model.run(self.take, messages)
        log.info("what was learned of %d items is loaded", len(self._newest))
        if self.towers.uses:
            log.info("the two-tower vectors go on from %d uses", self.towers.uses)
        if self.ranker.version:
            log.info("the ranker goes on from version %d", self.ranker.version)

    async def catch_up(self) -> None:
        """Wait until what the topic holds now is taken, while `follow` goes on; CATCH_UP_S at most."""
        assert self._reader is not None
        ends = await self.brokers.ask(ends_of, self.brokers.kafka, self.topic)
        for _ in range(int(CATCH_UP_S / PAUSE_S)):
            if self._reader.reached(ends):
                break
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        """For ever, behind what was loaded."""
        assert self._reader is not None
        while True:
            messages = await asyncio.to_thread(self._reader.poll, 0.2)
            if messages:
                await self.model.run(self.take, messages)
                self.metrics.staleness.set(max(0.0, self.clock() - _oldest(messages) / MS))

    def take(self, messages: Sequence[Any]) -> None:
        """Bring the table up to these records, of which the newest of each item counts; on the model thread."""
        ids = [message.key() or b"" for message in messages]
        values = [m.value() if key != RANKER_KEY else None for key, m in zip(ids, messages, strict=True)]
        found, at = read_learned(values)
        for key, message in zip(ids, messages, strict=True):
            if key == RANKER_KEY:
                self.ranker.follow(message.value())
        self.metrics.ranker_version.set(self.ranker.version)
        places = self._newest.places([ids[index] for index in at.tolist()])
        if len(chosen := self._newest.choose(places, np.stack([found[name] for name in ORDER], axis=1))):
            self.table.put(self._newest.keys[places[chosen]], found["item"][chosen])
        self.metrics.learned_items.set(len(self._newest))
        self._follow_towers(ids, messages)

    def _follow_towers(self, ids: Sequence[bytes], messages: Sequence[Any]) -> None:
        own = [at for at, key in enumerate(ids) if key.startswith(TOWERS_KEY)]
        if own:
            names = [ids[at][len(TOWERS_KEY) :] for at in own]
            self.towers.follow(names, [messages[at].value() for at in own])


def _oldest(messages: Sequence[Any]) -> int:
    """When the broker took the oldest of the records, milliseconds."""
    return min(int(message.timestamp()[1]) for message in messages)
