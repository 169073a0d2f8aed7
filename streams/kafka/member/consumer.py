"""Faust's consumer, which hands out whole batches and commits up to the first one that is not acknowledged.

Private names of faust-streaming 0.15 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from faust.tables.recovery import RebalanceAgain
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP, ConsumerMessage

from streams.kafka.member import coordinator, fetching
from streams.kafka.member.batches import RecordBatch
from streams.kafka.member.uncommitted import Uncommitted

# The generation between two assignments. Faust compares generations before it lets events flow again: a recovery
# that is still under way must not let them, for they may be another worker's by then.
NO_GENERATION = -1
# How long to wait for data, at most: a rebalance waits as long before it sets positions.
IDLE_WAIT_S = 0.25
# How long to wait for some partitions' data while others have as many outstanding batches as they may.
ROOM_WAIT_S = 0.005


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Hands batches through, and commits up to the first batch that is not acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._uncommitted = Uncommitted()
        # Set where a batch is acknowledged, so that there may be room for another.
        self._room = asyncio.Event()
        # Held while records are taken or positions are set: what a seek has passed must not be taken behind it,
        # for it would be dropped as of before the rebalance, and never be read again.
        self._fetching = asyncio.Lock()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per fetched partition: its value is the batch, its offset the batch's last."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        generation = self.app.consumer_generation_id
        wanted, all_of_them = await self._with_room(timeout)
        if not wanted:
            return
        # Wait only briefly for some partitions while others, with data, may get room again.
        patience = min(timeout, IDLE_WAIT_S) if all_of_them else ROOM_WAIT_S
        async with self._fetching:
            if not self._flows(generation):
                return
            fetched = await self._getmany(active_partitions=wanted, timeout=patience)
            positions = self._fetcher.positions(wanted)
        if self._flows(generation):
            self._look_at_resets()
            self._pass_over({tp: offset for tp, offset in positions.items() if not fetched.get(tp)})
        for tp, records in fetched.items():
            # The flow may have stopped while the fetch was under way. What it brought is read again after
            # the rebalance, which seeks every partition; until then no position may move.
            if self.should_stop or not self._flows(generation):
                return
            if records:
                yield tp, self._batch_message(tp, self._uncommitted.enter(tp, records, positions.get(tp)))

    def _flows(self, generation: int) -> bool:
        """True while records may be handed out, in the assignment of this generation."""
        return bool(self.flow_active and self.app.consumer_generation_id == generation)

    @property
    def _fetcher(self) -> fetching.KeenFetcher:
        fetcher: fetching.KeenFetcher = self._thread._consumer._fetcher
        return fetcher

    @property
    def _coordinator(self) -> coordinator.FrankCoordinator:
        found: coordinator.FrankCoordinator = self._thread._consumer._coordinator
        return found

    def _pass_over(self, positions: Mapping[TP, int]) -> None:
        """Let the commit go beyond what was fetched and holds no record."""
        for tp in self._uncommitted.pass_over(positions):
            # Only partitions with an entry here are looked at by a commit.
            self._acked.setdefault(tp, [])

    def _look_at_resets(self) -> None:
        """Tell of offsets that were to be read and are gone. Raises SourceChangedError where a partition began anew."""
        resets = self._fetcher.resets
        while resets:
            tp, asked, begin = resets.popleft()
            self.transport.moved(tp, asked, begin)
            self._uncommitted.remove(tp, asked, begin)

    def lag(self, tp: TP) -> int | None:
        """Offsets of committed records that have not been taken; None where unknown."""
        return self._fetcher.unread(tp)

    async def _with_room(self, timeout: float) -> tuple[set[TP], bool]:
        """Partitions to fetch from, and whether that is all of them."""
        self._room.clear()
        active = self._get_active_partitions()
        wanted = {tp for tp in active if self._has_room(tp)}
        if not wanted:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), min(timeout, 0.1))
        return wanted, len(wanted) == len(active)

    def _has_room(self, tp: TP) -> bool:
        return self._uncommitted.has_room(tp, self.app.outstanding_batches)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing. Faust would log that a partition stands still; where one awaits its reset, it ends the worker."""

    def ack(self, message: ConsumerMessage) -> bool:
        """Count a batch as done."""
        done: bool = super().ack(message)
        if done:
            self._uncommitted.acknowledge(message.tp, message.value)
            self._room.set()
        return done

    def _batch_message(self, tp: TP, batch: RecordBatch) -> ConsumerMessage:
        # What Faust reads of a message is where it stands; the batch is its value.
        about: tuple[Any, ...] = (None, 0, [], None, batch, None, 0, 0, tp)
        generation = self.app.consumer_generation_id
        return ConsumerMessage(tp.topic, tp.partition, batch.last_offset, *about, generation_id=generation)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets inside a batch are no gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        """Offset to commit, or None where there is none."""
        return self._uncommitted.take_committable(tp, self._acked[tp], self._acked_index[tp])

    async def perform_seek(self) -> None:
        """Go to where the state says, else to the committed offset; forget what was in flight.

        Raises RebalanceAgain, at which Faust's recovery begins anew, where the assignment ends meanwhile: no event may
        flow then, and partitions that were assigned since have no state yet to say where.
        """
        generation = self.app.consumer_generation_id
        async with self._fetching:
            try:
                await self._seek_all()
            except Exception as error:  # what it is depends on where the rebalance met it
                if self._assigned_still(generation):
                    raise
                raise RebalanceAgain from error
        if not self._assigned_still(generation):
            raise RebalanceAgain

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """As Faust's, and to the beginning where nothing is committed.

        aiokafka leaves such a position as it is. It may stand behind records that a fetch took while the assignment
        changed: they were dropped, and would never be read again.
        """
        committed: Mapping[TP, Any] = await super().seek_to_committed()
        begun = [ensure_TP(tp) for tp, offset in committed.items() if not offset or offset < 0]
        begins = await self.earliest_offsets(*begun) if begun else {}
        for tp, offset in begins.items():
            await self.seek(ensure_TP(tp), offset)
        return committed

    def _assigned_still(self, generation: int) -> bool:
        now: int = self.app.consumer_generation_id
        return generation == now != NO_GENERATION

    async def _seek_all(self) -> None:
        self._uncommitted.clear()
        self._fetcher.resets.clear()
        self._acked.clear()
        self._acked_index.clear()
        self._coordinator.topic_ids = self.transport.app.state_topic_ids
        await super().perform_seek()
        seeks = await self.transport.seeks(self.assignment())
        # What the fetcher has met at the committed offsets meanwhile is told of by who gives the seeks.
        for tp, offset in seeks.items():
            await self.seek(tp, offset)
            self._read_offset[tp] = offset - 1 if offset else None
            self._committed_offset[tp] = None
            self._uncommitted.resume(tp, offset)
            self._acked.setdefault(tp, [])  # as in _pass_over
        self._fetcher.forget_resets(seeks)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what has begun and commit it while it is still ours, then let go.

        Not where the worker ends: that is done by then, and the thread that commits may be waiting for this.
        """
        if self.app.should_stop:
            return
        self.app.consumer_generation_id = NO_GENERATION
        await self.finish()
        await self.transport.let_go()
        await super().on_partitions_revoked(revoked)
        self._uncommitted.forget(revoked)

    async def finish(self) -> None:
        """Let no batch begin any more, wait until those that have begun are acknowledged, and commit them."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        self._uncommitted.let_none_begin()
        while self._uncommitted.unfinished(self._acked_index):
            self._room.clear()
            with contextlib.suppress(TimeoutError):  # one that is abandoned says nothing
                await asyncio.wait_for(self._room.wait(), 0.1)
        # Where the consumer ends meanwhile, nobody may be left to commit.
        await self.wait(self.commit())

    def close(self) -> None:
        """Nothing. Faust calls it where a rebalance comes while it stops, to end aiokafka's client on a loop that is
        not its own: then the group is not left, and waits for this member.
        """
