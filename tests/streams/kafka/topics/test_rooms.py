"""Records of ours fit what their topics take: at each bound, and one byte beside it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from sinks.base import TopicRecords
from streams.events.rejections import Reason
from streams.flow.outputs import Writer
from streams.interest.base import Interests
from streams.kafka.topics.admin import TopicError
from streams.kafka.topics.limits import fitting, fitting_recommendation, look
from streams.kafka.topics.record_bounds import KAFKA_DEFAULT, Needs, record_bytes
from streams.kafka.topics.specifications import check, specs
from streams.settings.settings import Settings
from streams.state.users.waiting import waiting_bytes
from tests.streams.flows import apply, make_flow, record

HEADERS = [("interestflow.origin", b"clicks/0/1/0/a/b")]


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_canonical_record_is_rejected_from_one_byte_beyond_the_room(beyond: int) -> None:
    good, large = (b"u", b"v"), (b"u", b"x" * 3000)
    room = record_bytes(*large, HEADERS) - beyond
    group, rejected = fitting(TopicRecords("events", [good, large, good], headers=[HEADERS] * 3), room)
    assert len(group.records) == len(group.headers or []) == (2 if beyond > 0 else 3)
    assert [(index, why.reason) for index, why in rejected] == ([(1, Reason.TOO_LARGE)] if beyond > 0 else [])
    assert all("max.message.bytes" in why.message for _, why in rejected)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_as_many_items_as_fit_are_recommended(beyond: int) -> None:
    items = [{"item_id": f"i{number}", "score": 1 - number / 10} for number in range(10)]
    whole = b"u", orjson.dumps({"user_id": "u", "items": items, "version": 3})
    key, value = fitting_recommendation(whole, record_bytes(*whole) - beyond)
    told = orjson.loads(value)
    assert told["items"] == items[: 9 if beyond > 0 else 10]
    assert told["version"] == 3
    assert record_bytes(key, value) <= record_bytes(*whole) - beyond


def test_where_no_item_fits_none_is_recommended() -> None:
    whole = b"u", orjson.dumps({"user_id": "u", "items": [{"item_id": "i" * 500}]})
    assert orjson.loads(fitting_recommendation(whole, 300)[1]) == {"user_id": "u", "items": []}


def waiting(flow: Any, user: str = "u") -> int:
    part = flow.partitions[0]
    return len(part.waiting.of_row.get(part.row_of[user], []))


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_what_waits_is_bounded_in_bytes_per_user(beyond: int, at_once: bool) -> None:
    """The same events wait whatever the batches are."""
    records = [record(offset, item=f"new{offset}") for offset in range(4)]
    free = make_flow()
    apply(free, records)
    part = free.partitions[0]
    used = sum(map(waiting_bytes, part.waiting.of_row[part.row_of["u"]]))
    flow = make_flow(waiting_bytes_per_user=used - beyond)
    for batch in [records] if at_once else [[one] for one in records]:
        apply(flow, batch)
    books = flow.partitions[0].books
    assert (waiting(flow), books["waiting"], books["dropped"]) == ((3, 3, 1) if beyond > 0 else (4, 4, 0))


def test_room_that_waiting_events_leave_is_taken_again() -> None:
    flow = make_flow(waiting_bytes_per_user=500)
    apply(flow, [record(offset, item=f"new{offset}") for offset in range(9)])
    part = flow.partitions[0]
    row = part.row_of["u"]
    before = waiting(flow)
    assert 0 < before < 9
    part.waiting.release({"new0"})
    assert part.waiting.bytes_of[row] == sum(map(waiting_bytes, part.waiting.of_row[row]))
    apply(flow, [record(20, item="new20")])
    assert waiting(flow) == before


def test_a_full_state_fits_what_its_topic_needs() -> None:
    flow = make_flow(waiting_bytes_per_user=3_000_000, consumed_per_user=50)
    settings = Settings(
        dimensions=16, encoder="hashing", waiting_bytes_per_user=3_000_000, consumed_per_user=50
    )
    text = "x" * 9900
    apply(flow, [record(n, item=f"new{n}", text=text) for n in range(400)])
    apply(flow, [record(500 + n, item=f"i{n % 8}") for n in range(60)])
    part = flow.partitions[0]
    rows = part.known_rows(["u"])
    ((key, value),) = part.records(rows, part.read_rows(rows))
    assert 600_000 < record_bytes(key, value) <= Needs.of(settings).state


@pytest.mark.parametrize("limit_bytes", [1000, 1_048_576, 4_000_000])
def test_topics_are_made_to_take_the_largest_event(limit_bytes: int) -> None:
    settings = Settings(limit_bytes=limit_bytes)
    made = {spec.name: spec.config for spec in specs(settings)}
    takes = int(made[settings.topics.events]["max.message.bytes"])
    largest = record_bytes(b"x" * 4 * settings.limits.max_id_length, b"x" * limit_bytes, HEADERS)
    assert max(KAFKA_DEFAULT, largest) <= takes
    assert all(
        int(config.get("max.message.bytes", KAFKA_DEFAULT)) >= KAFKA_DEFAULT for config in made.values()
    )


@pytest.mark.parametrize("vector_format", ["base64", "array", "f4le", "f2le"])
def test_the_longest_vector_fits_what_its_topic_needs(vector_format: Any) -> None:
    user, dim = "\U0001f600" * 1024, 4096
    settings = Settings(
        dimensions=dim,
        encoder="hashing",
        vector_format=vector_format,
        limit_id_length=1024,
        limit_bytes=10_000,
    )
    states = np.full(1, 2**62, dtype=[("offset", "<i8"), ("applied", "<i8"), ("epoch", "<i8")])
    numbers = np.full(1, 2**62)
    longest = Interests.single(np.full((1, dim), -1.2345678e-30, dtype=np.float32))
    writer = Writer("decay", 99, vector_format)
    made = writer.topic_records("t", writer.vectors(0, [user], states, numbers, numbers, longest))
    (key, value), headers = made.records[0], made.headers[0] if made.headers else ()
    per_value = {"base64": 6, "array": 26, "f4le": 4, "f2le": 2}[vector_format]
    assert (
        record_bytes(key, value, headers)
        <= per_value * dim + 10 * 1024 + 1024 + 85
        <= Needs.of(settings).vectors
    )


class Brokers:
    """Topics as they should be, but for the largest record of one; both as an admin client and as our own."""

    def __init__(self, settings: Settings, topic: str, takes: int) -> None:
        self.made = {spec.name: dict(spec.config) for spec in specs(settings)}
        self.made[topic]["max.message.bytes"] = str(takes)

    def describe_configs(self, resources: Any, request_timeout: float) -> dict[Any, Future[Any]]:
        futures: dict[Any, Future[Any]] = {resource: Future() for resource in resources}
        for resource, future in futures.items():
            found = self.made[resource.name].get("max.message.bytes", str(KAFKA_DEFAULT))
            future.set_result({"max.message.bytes": SimpleNamespace(value=found)})
        return futures

    def configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        kafkas = {"cleanup.policy": "delete", "min.compaction.lag.ms": "0"}
        kafkas |= {"max.message.bytes": str(KAFKA_DEFAULT), "message.timestamp.type": "CreateTime"}
        return {name: kafkas | self.made[name] for name in names}

    def topics(self) -> dict[str, Any]:
        partitions = {number: SimpleNamespace(replicas=[0]) for number in range(4)}
        return {name: SimpleNamespace(partitions=partitions) for name in self.made}

    def partitions(self) -> dict[str, int]:
        return dict.fromkeys(self.made, 4)

    def lacking(self, wanted: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("role", ["events", "rejected", "recommendations", "vectors", "embeddings", "state"])
def test_worker_and_check_say_the_same_of_a_topic_that_takes_too_little(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    brokers: Any = Brokers(settings, getattr(settings.topics, role), 999_999)
    monkeypatch.setattr("streams.kafka.topics.specifications.TopicAdmin", lambda *_: brokers)
    (problem,) = check(settings)
    with pytest.raises(TopicError) as caught:
        look(brokers, settings)
    assert str(caught.value).removesuffix(" or lower INTERESTFLOW_WAITING_BYTES_PER_USER") == problem
