"""A rebalance that comes while positions are set: Faust's recovery begins anew, and no worker ends of it."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from faust.tables.recovery import RebalanceAgain, Recovery
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP

from streams.kafka.member.consumer import NO_GENERATION, Consumer
from streams.kafka.member.uncommitted import Uncommitted

BEFORE, AFTER = 7, 8
OURS = TP("events", 0)


class Seeking(Consumer):
    """A consumer of which nothing is there but what setting positions needs."""

    def __init__(self, seeks: dict[TP, int]) -> None:
        async def told(assigned: set[TP]) -> dict[TP, int]:
            return {tp: seeks[tp] for tp in assigned}

        self.app = SimpleNamespace(consumer_generation_id=BEFORE)
        self.transport = SimpleNamespace(seeks=told, app=SimpleNamespace(state_topic_ids={}))
        # The client's parts, which tell of what is gone and commit with the topics' ids.
        client = SimpleNamespace(_coordinator=SimpleNamespace(), _fetcher=MagicMock())
        self._thread = SimpleNamespace(_consumer=client)
        self._fetching = asyncio.Lock()
        self._uncommitted = Uncommitted()
        self._acked, self._acked_index = {}, defaultdict(set)
        self._read_offset, self._committed_offset = {}, {}
        self.assigned, self.at = {OURS}, {}

    def assignment(self) -> set[TP]:
        return self.assigned

    async def seek(self, tp: TP, offset: int) -> None:
        self.at[tp] = offset


def rebalance_in_between(monkeypatch: pytest.MonkeyPatch, *, generation: int, assigned: set[TP]) -> None:
    """Let a rebalance come while the committed offsets are asked for."""

    async def perform_seek(consumer: Seeking) -> None:
        consumer.app.consumer_generation_id, consumer.assigned = generation, assigned

    monkeypatch.setattr(AIOKafkaConsumer, "perform_seek", perform_seek)


async def test_positions_are_set_where_no_rebalance_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    rebalance_in_between(monkeypatch, generation=BEFORE, assigned={OURS})
    consumer = Seeking({OURS: 5})
    await consumer.perform_seek()
    assert consumer.at == {OURS: 5}


@pytest.mark.parametrize("generation", [AFTER, NO_GENERATION])
@pytest.mark.parametrize("assigned", [{OURS}, {TP("events", 1)}, set()])
async def test_a_rebalance_in_between_lets_the_recovery_begin_anew(
    monkeypatch: pytest.MonkeyPatch, generation: int, assigned: set[TP]
) -> None:
    rebalance_in_between(monkeypatch, generation=generation, assigned=assigned)
    with pytest.raises(RebalanceAgain):
        await Seeking({OURS: 5}).perform_seek()


async def test_no_position_is_set_for_an_assignment_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    rebalance_in_between(monkeypatch, generation=BEFORE, assigned={OURS})
    consumer = Seeking({OURS: 5})
    consumer.app.consumer_generation_id = NO_GENERATION
    monkeypatch.setattr(AIOKafkaConsumer, "perform_seek", lambda _: asyncio.sleep(0))
    with pytest.raises(RebalanceAgain):
        await consumer.perform_seek()


async def test_what_fails_without_a_rebalance_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rebalance_in_between(monkeypatch, generation=BEFORE, assigned={TP("events", 1)})
    with pytest.raises(KeyError):
        await Seeking({OURS: 5}).perform_seek()


async def test_where_nothing_is_committed_reading_begins_at_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka sets no position there: what a fetch took and a rebalance dropped would never be read."""
    never, at_zero, beyond = (TP("raw", partition) for partition in range(3))

    async def committed(_: object) -> dict[TP, int | None]:
        return {never: None, at_zero: 0, beyond: 7}

    async def earliest(_: object, *asked: TP) -> dict[TP, int]:
        return {tp: 3 + tp.partition for tp in asked}

    monkeypatch.setattr(AIOKafkaConsumer, "seek_to_committed", committed)
    monkeypatch.setattr(Seeking, "earliest_offsets", earliest)
    consumer = Seeking({})
    assert await consumer.seek_to_committed() == {never: None, at_zero: 0, beyond: 7}
    assert consumer.at == {never: 3, at_zero: 4}


def test_a_partition_that_awaits_its_reset_does_not_end_the_worker() -> None:
    """Faust asks a client for such a partition's position, which has none, and takes its answer for a crash."""
    Seeking({}).verify_event_path(0.0, OURS)


def test_fausts_recovery_takes_it_and_waits_for_the_next() -> None:
    source = inspect.getsource(Recovery)
    handler = source[source.index("except RebalanceAgain") :]
    assert "continue" in handler[: handler.index("except", 10)]
    assert "consumer.perform_seek()" in inspect.getsource(Recovery._resume_streams)
