"""The private names of Faust and aiokafka that the batched transport stands on, and its own commit rule."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections import defaultdict, deque
from itertools import accumulate, pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import aiokafka
import faust
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import consumer as everybodys
from aiokafka.consumer.fetcher import Fetcher as EverybodysFetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import TRANSPORTS, by_url
from faust.transport.drivers import aiokafka as faust_driver
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from streams.kafka.member import fetching, own_aiokafka, transport
from streams.kafka.member.batches import RecordBatch
from streams.kafka.member.consumer import Consumer
from streams.kafka.member.coordinator import FrankCoordinator
from streams.kafka.member.uncommitted import Uncommitted
from streams.kafka.topics.committed import from_metadata, to_metadata

TP0 = TP("events", 0)
# That of the consumer which Faust is given.
Fetcher = own_aiokafka.fetcher.Fetcher


def test_the_versions_are_those_it_was_written_against() -> None:
    assert faust.__version__.startswith("0.15.")
    assert aiokafka.__version__.startswith("0.14.")


@pytest.mark.parametrize(
    "name",
    [
        "getmany",
        "_add_gap",
        "_new_offset",
        "perform_seek",
        "on_partitions_revoked",
        "ack",
        "close",
        "_new_consumer_thread",
    ],
)
def test_what_the_consumer_overrides_is_still_there_with_the_same_arguments(name: str) -> None:
    def parameters(owner: Any) -> list[str]:
        return list(inspect.signature(getattr(owner, name)).parameters)

    assert parameters(Consumer) == parameters(AIOKafkaConsumer)


@pytest.mark.parametrize(
    "name", ["_get_active_partitions", "_getmany", "seek", "stop_flow", "commit", "wait"]
)
def test_what_the_consumer_calls_is_still_there(name: str) -> None:
    assert callable(getattr(AIOKafkaConsumer, name))


def test_private_attributes_are_still_set() -> None:
    source = inspect.getsource(BaseConsumer)
    for name in ("_acked", "_acked_index", "_read_offset", "_committed_offset", "_buffered_partitions"):
        assert f"self.{name}" in source


def test_the_keen_fetcher_is_the_one_that_fausts_aiokafka_makes() -> None:
    transport.register()
    assert faust_driver.aiokafka.AIOKafkaConsumer is own_aiokafka.consumer.AIOKafkaConsumer
    assert "return aiokafka.AIOKafkaConsumer(" in inspect.getsource(
        faust_driver.AIOKafkaConsumerThread._create_worker_consumer
    )
    made_by = own_aiokafka.consumer.AIOKafkaConsumer.start.__globals__
    assert made_by["Fetcher"] is fetching.KeenFetcher
    assert made_by["AIOKafkaClient"] is fetching.PatientClient
    assert made_by["GroupCoordinator"] is FrankCoordinator
    assert "Fetcher(" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert "prefetch_backoff" in inspect.signature(Fetcher.__init__).parameters
    loop = inspect.getsource(Fetcher._fetch_requests_routine)
    # The race that _InFlight ends: tasks that are done are forgotten before their broker is taken out.
    assert "self._in_flight.discard(node_id)" in loop
    assert "self._pending_tasks -= done_pending" in loop
    assert "self._fetch_max_wait_ms" in inspect.getsource(Fetcher._get_actions_per_node)


def test_other_consumers_of_the_process_stay_aiokafkas() -> None:
    transport.register()
    assert aiokafka.AIOKafkaConsumer is everybodys.AIOKafkaConsumer
    assert everybodys.Fetcher is EverybodysFetcher
    assert everybodys.AIOKafkaClient is AIOKafkaClient
    assert everybodys.GroupCoordinator is GroupCoordinator
    made_by = EverybodysFetcher._proc_fetch_request.__globals__
    for name in ("MemoryRecords", "PartitionRecords", "FetchResult"):
        assert made_by[name].__module__.startswith("aiokafka.")


async def test_a_fetcher_ends_though_its_loop_takes_a_cancellation_for_anothers() -> None:
    # The loop that does so, and what would wait for it for ever.
    assert "suppress(asyncio.CancelledError)" in inspect.getsource(Fetcher._fetch_requests_routine)
    assert "await self._fetch_task" in inspect.getsource(Fetcher.close)

    async def deaf_once() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    keen = object.__new__(fetching.KeenFetcher)
    keen._fetch_waiters, keen._pending_tasks = set(), set()
    keen._fetch_task = asyncio.ensure_future(deaf_once())
    await asyncio.sleep(0)
    await asyncio.wait_for(keen.close(), 10)
    assert keen._fetch_task.cancelled()


async def test_a_fetcher_ends_while_it_pauses_after_a_fetch_that_failed() -> None:
    async def fail(*_: object) -> None:
        raise KafkaConnectionError

    keen = object.__new__(fetching.KeenFetcher)
    keen._client, keen._retry_backoff = SimpleNamespace(send=fail), 60
    keen._asked, keen._preferred_read_replica, keen._fetch_waiters = {}, {}, set()
    keen._fetch_task = asyncio.ensure_future(asyncio.sleep(60))
    fetch = asyncio.ensure_future(keen._proc_fetch_request(None, 1, SimpleNamespace(topics=[])))
    keen._pending_tasks = {fetch}
    await asyncio.sleep(0.01)
    await asyncio.wait_for(keen.close(), 10)
    assert fetch.result() is False


async def test_a_fetch_that_ends_wakes_the_loop_that_sends_the_next() -> None:
    fetcher = object.__new__(fetching.KeenFetcher)
    fetcher._wait_consume_future = asyncio.get_running_loop().create_future()
    in_flight = fetching._InFlight(fetcher)
    in_flight.add(1)
    in_flight.discard(1)
    assert not in_flight
    assert fetcher._wait_consume_future.done()


async def test_the_first_connection_is_tried_until_a_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [KafkaConnectionError(), KafkaConnectionError(), None]

    async def bootstrap(_: Any) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", bootstrap)
    monkeypatch.setattr(fetching, "BOOTSTRAP_PAUSE_S", 0)
    await object.__new__(fetching.PatientClient).bootstrap()
    assert answers == []


async def test_metadata_that_cannot_be_had_are_not_asked_for_at_once_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "await self._metadata_update(self.cluster, topics)" in inspect.getsource(
        AIOKafkaClient._md_synchronizer
    )
    asked: list[float] = []

    async def nobody(self: Any, node: Any, **_: Any) -> None:
        asked.append(time.monotonic())
        self.force_metadata_update()

    monkeypatch.setattr(AIOKafkaClient, "_get_conn", nobody)
    client = fetching.PatientClient(bootstrap_servers="127.0.0.1:1")
    monkeypatch.setattr(client.cluster, "brokers", lambda: [SimpleNamespace(nodeId=1)])
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    began = time.monotonic()
    while time.monotonic() - began < 3 * fetching.METADATA_PAUSE_S:
        assert not await client.force_metadata_update()
    await client.close()
    gaps = [after - before for before, after in pairwise(asked)]
    assert len(asked) >= 2
    assert min(gaps) >= 0.9 * fetching.METADATA_PAUSE_S


def test_the_scheme_leads_to_the_batched_transport() -> None:
    transport.register()
    assert by_url(URL("batched://127.0.0.1:9092")) is transport.Transport
    assert transport.SCHEME in TRANSPORTS.aliases


def bare_consumer() -> Any:
    consumer = object.__new__(Consumer)
    consumer._uncommitted = Uncommitted()
    consumer._acked = defaultdict(list)
    consumer._acked_index = defaultdict(set)
    return consumer


def hand_out(consumer: Any, *sizes: int) -> list[RecordBatch]:
    """Batches of so many records each, from offset 0 on."""
    ends = list(accumulate(sizes))
    return [
        consumer._uncommitted.enter(TP0, [SimpleNamespace(offset=at) for at in range(end - size, end)], None)
        for size, end in zip(sizes, ends, strict=True)
    ]


@given(acked=st.permutations(list(range(8))), commit_after=st.sets(st.integers(0, 7)))
def test_a_commit_never_passes_a_batch_that_is_not_acknowledged(
    acked: list[int], commit_after: set[int]
) -> None:
    """Batches end at offsets 9, 19, … 79 and are acknowledged in any order."""
    consumer = bare_consumer()
    ends = [10 * i + 9 for i in range(8)]
    hand_out(consumer, *[10] * 8)
    done: set[int] = set()
    committed = 0
    for step, index in enumerate(acked):
        consumer._acked[TP0].append(ends[index])
        consumer._acked_index[TP0].add(ends[index])
        done.add(index)
        if step in commit_after:
            offset = consumer._new_offset(TP0)
            committed = offset if offset is not None else committed
            first_open = next((i for i in range(8) if i not in done), 8)
            assert committed == 10 * first_open
    assert (consumer._new_offset(TP0) or committed) == 80
    assert not consumer._acked[TP0]
    assert not consumer._acked_index[TP0]


def test_a_commit_goes_beyond_offsets_without_records_once_nothing_is_in_flight_before_them() -> None:
    consumer = bare_consumer()
    hand_out(consumer, 10)
    consumer._pass_over({TP0: 14})
    assert consumer._new_offset(TP0) is None
    consumer._acked[TP0].append(9)
    consumer._acked_index[TP0].add(9)
    assert consumer._new_offset(TP0) == 14
    consumer._pass_over({TP0: 15})
    assert consumer._new_offset(TP0) == 15


def test_a_partition_from_which_no_record_came_is_committed_too_and_an_empty_one_is_not() -> None:
    consumer = bare_consumer()
    consumer._pass_over({TP0: 3, TP("events", 1): 0})
    assert list(consumer._acked) == [TP0]
    assert consumer._new_offset(TP0) == 3


class Unfetched(Fetcher):  # type: ignore[misc]
    """What stands in for aiokafka's fetcher: a reset goes to offset 70."""

    async def _update_fetch_positions(self, assignment: Any, node_id: int, tps: Any) -> None:
        for tp in tps:
            if self.meanwhile is not None:
                self.seek_to(tp, self.meanwhile)
            else:
                assignment.state_value(tp).reset_to(70)


@pytest.mark.parametrize(
    ("asked", "meanwhile", "told"),
    [(40, None, [(40, 70)]), (90, None, [(90, 70)]), (None, None, []), (40, 50, [])],
)
async def test_a_reset_is_told_with_what_was_asked_unless_another_offset_was_set_meanwhile(
    asked: int | None, meanwhile: int | None, told: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = TopicPartitionState(None)
    assignment = SimpleNamespace(state_value={TP0: state}.get)
    keen = object.__new__(fetching.KeenFetcher)
    keen._asked, keen.resets, keen._records, keen.meanwhile = {}, deque(), {}, meanwhile
    keen._subscriptions = SimpleNamespace(seek=lambda tp, offset: state.seek(offset))
    keen._notify = lambda future: None
    keen._wait_consume_future = None
    if asked is not None:
        keen._asked[TP0] = asked
    state.await_reset(1)
    monkeypatch.setattr(Fetcher, "_update_fetch_positions", Unfetched._update_fetch_positions)
    await keen._update_fetch_positions(assignment, 0, [TP0])
    assert [(reset.asked, reset.begin) for reset in keen.resets] == told


def test_what_a_fetcher_met_before_another_offset_was_set_is_forgotten() -> None:
    keen, other = object.__new__(fetching.KeenFetcher), TP("events", 1)
    keen.resets = deque([fetching.Reset(TP0, 40, 70), fetching.Reset(other, 1, 2)])
    keen.forget_resets({TP0})
    assert list(keen.resets) == [fetching.Reset(other, 1, 2)]


def test_a_fetcher_asks_for_committed_records_whatever_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    assert "isolation_level" in inspect.signature(Fetcher.__init__).parameters
    monkeypatch.setattr(Fetcher, "__init__", lambda self, *args, **options: given.update(options))
    fetching.KeenFetcher(isolation_level="read_uncommitted")
    assert given["isolation_level"] == "read_committed"


async def test_an_offset_is_committed_with_the_id_of_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = AsyncMock()
    monkeypatch.setattr(GroupCoordinator, "commit_offsets", commit)
    coordinator = object.__new__(FrankCoordinator)
    coordinator.topic_ids = {"events": "an-id"}
    given = {TP0: OffsetAndMetadata(5, ""), TP("others", 1): OffsetAndMetadata(6, "")}
    await coordinator.commit_offsets(None, given)
    assert commit.await_args is not None
    assert commit.await_args.args[1] == {
        TP0: OffsetAndMetadata(5, to_metadata("an-id")),
        TP("others", 1): OffsetAndMetadata(6, ""),
    }


@pytest.mark.parametrize("behind", ["", "\0", "\0rest of another string"])
def test_the_id_of_a_committed_offset_ends_where_it_was_ended(behind: str) -> None:
    """confluent-kafka may show what lies behind the metadata in memory."""
    shown = SimpleNamespace(metadata=to_metadata("an-id") + behind)
    assert from_metadata(shown) == "an-id"  # type: ignore[arg-type]
    assert from_metadata(SimpleNamespace(metadata=None)) == ""  # type: ignore[arg-type]
    assert to_metadata("") == ""


async def test_a_rebalance_waits_for_what_has_begun_and_lets_nothing_else_begin() -> None:
    consumer = bare_consumer()
    consumer._room = asyncio.Event()
    committed = consumer.commit = AsyncMock()
    consumer.wait = asyncio.ensure_future  # mode's ends with the service, too
    consumer.stop_flow = lambda: None
    consumer.app = SimpleNamespace(flow_control=MagicMock())
    begun, queued = hand_out(consumer, 10, 10)
    assert begun.start()
    finishing = asyncio.ensure_future(consumer.finish())
    await asyncio.sleep(0)
    assert not queued.start()
    assert not finishing.done()
    consumer._acked_index[TP0].add(9)
    consumer._room.set()
    await finishing
    committed.assert_awaited_once()


@pytest.mark.parametrize(
    ("sizes", "room"),
    [
        ([], True),
        ([3], False),
        ([4000], True),
        ([4000, 4000], True),
        ([4000] * 8, False),
        ([4000, 3, 3], True),
    ],
)
def test_small_batches_do_not_queue_and_full_ones_do_up_to_the_limit(sizes: list[int], room: bool) -> None:
    consumer = bare_consumer()
    consumer.app = SimpleNamespace(outstanding_batches=8)
    hand_out(consumer, *sizes)
    assert consumer._has_room(TP0) is room
