"""The main job on a real Kafka, from behaviour topics to vectors and recommendations, with real processes."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson
import pytest
from confluent_kafka import Message

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from streams.wiring.app import build_flow
from tests.broker.workers import SMALL, eventually, is_ready, run_worker, running_worker

MakeSettings = Callable[..., Settings]
Produce = Callable[..., None]
ReadTopic = Callable[[str], list[Message]]
T0 = 1_600_000_000_000
ITEMS = 40


def event(number: int, user: str, item: str | None = None, **fields: Any) -> tuple[bytes, bytes]:
    """A native event's record, keyed by user."""
    body = {"event_id": f"e{number}", "user_id": user, "action": "click", "timestamp": T0 + number * 1000}
    if item is not None:
        body["item_id"] = item
    return user.encode(), orjson.dumps({**body, **fields})


def clicks(count: int, first: int = 0, users: int = 20) -> list[tuple[bytes, bytes]]:
    """Clicks of some users on some items, seeded, numbered from `first`."""
    rng = np.random.default_rng(first)
    return [
        event(first + n, f"u{rng.integers(users)}", f"i{item}")
        for n, item in enumerate(rng.integers(ITEMS, size=count))
    ]


def items(count: int = ITEMS, **fields: Any) -> list[tuple[bytes, bytes]]:
    """Item records i0, i1, …"""
    return [
        (f"i{n}".encode(), orjson.dumps({"item_id": f"i{n}", "title": f"red thing {n}", **fields}))
        for n in range(count)
    ]


@pytest.fixture
def deploy(make_settings: MakeSettings, produce: Produce) -> Callable[..., Settings]:
    """deploy(events, **settings) -> settings whose topics exist and hold the catalog and these raw events."""

    def make(events: Iterable[Any] = (), **fields: Any) -> Settings:
        settings = make_settings(**{**SMALL, "partitions": 2, **fields})
        topics.create(settings)
        produce(settings.topics.items, items())
        if settings.topics.raw_sources:
            produce(settings.topics.raw_sources[0].topic, events)
        return settings

    return make


def latest(messages: Iterable[Message]) -> dict[str, Any]:
    """The newest value of each key, as compaction leaves it, decoded."""
    return {m.key().decode(): orjson.loads(m.value()) for m in messages}


def test_events_become_vectors_and_recommendations_and_the_books_balance(
    deploy: Callable[..., Settings], produce: Produce, read_topic: ReadTopic
) -> None:
    settings = deploy(clicks(400))
    raw = settings.topics.raw_sources[0].topic
    produce(raw, [(b"k", b"{broken", [("h", b"1")]), (None, orjson.dumps({"action": "click"}))])
    produce(raw, [event(900, "searcher", action="search", text="red thing")])
    run_worker(settings)
    books = audit(settings)
    assert books.balanced, books.problems
    assert books.sources[raw] == 403
    assert (books.outcomes["applied"], books.rejected, books.without_user) == (401, {"not_json": 1}, 1)
    vectors, recommended = (
        latest(read_topic(settings.topics.vectors)),
        latest(read_topic(settings.topics.recommendations)),
    )
    assert vectors.keys() == recommended.keys() == {f"u{n}" for n in range(20)} | {"searcher"}
    assert sum(record["count"] for record in vectors.values()) == 401
    for record in vectors.values():
        assert np.linalg.norm(np.frombuffer(b64decode(record["vector"]), "<f4")) == pytest.approx(1, abs=1e-5)
    verdict = replay.verify(settings)
    assert (verdict.users, verdict.events, verdict.equal) == (21, 401, True)
    run_worker(settings)
    assert latest(read_topic(settings.topics.vectors)) == vectors


def test_a_recommendation_leaves_out_what_was_consumed_and_its_reasons_add_up(
    deploy: Callable[..., Settings], read_topic: ReadTopic
) -> None:
    settings = deploy([event(n, "u", f"i{n}") for n in range(5)], top_k=7)
    run_worker(settings)
    (record,) = latest(read_topic(settings.topics.recommendations)).values()
    shown = [item["item_id"] for item in record["items"]]
    assert len(set(shown)) == 7
    assert not set(shown) & {f"i{n}" for n in range(5)}
    for item in record["items"]:
        parts = sum(reason["contribution"] for reason in item["reasons"])
        assert parts + item["other"] == pytest.approx(item["score"], abs=1e-5)
        assert all(reason["item_id"] in {f"i{n}" for n in range(5)} for reason in item["reasons"])


def test_a_rejected_record_keeps_its_bytes_and_headers(
    deploy: Callable[..., Settings], produce: Produce, read_topic: ReadTopic
) -> None:
    settings = deploy()
    raw = settings.topics.raw_sources[0].topic
    produce(raw, [(b"key", b"\xff\xfe", [("mine", b"kept")])])
    run_worker(settings)
    (record,) = read_topic(settings.topics.rejected)
    headers = dict(record.headers())
    assert (record.key(), record.value(), headers["mine"]) == (b"key", b"\xff\xfe", b"kept")
    assert headers["__connect.errors.topic"] == raw.encode()
    assert headers["interestflow.reason"] == b"not_utf8"


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_each_compression_is_read(codec: str, deploy: Callable[..., Settings], produce: Produce) -> None:
    settings = deploy(recommend=False)
    # Long enough that the broker keeps it compressed, in one batch.
    produce(settings.topics.raw_sources[0].topic, clicks(200), compression__type=codec, linger__ms=200)
    run_worker(settings)
    books = audit(settings)
    assert (books.outcomes["applied"], books.balanced) == (200, True)


def test_cloudevents_and_canonical_topics_are_consumed(
    deploy: Callable[..., Settings], produce: Produce, make_topic: Callable[..., str], read_topic: ReadTopic
) -> None:
    orders, canonical = make_topic("orders"), make_topic("canonical", partitions=3)
    sources = (Source(topic=orders, format="cloudevents"), Source(topic=canonical, format="canonical"))
    settings = deploy(sources=sources, recommend=False)
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "com.shop.purchase",
        "subject": "i1",
    }
    time = "2024-05-01T10:00:00Z"
    binary = [(f"ce_{name}", value.encode()) for name, value in {**envelope, "time": time}.items()]
    structured = orjson.dumps({**envelope, "id": "2", "time": time, "data": {"user_id": "ce"}})
    produce(
        orders,
        [
            (b"ce", b'{"user_id": "ce"}', [*binary, ("content-type", b"application/json")]),
            (b"ce", structured, [("content-type", b"application/cloudevents+json")]),
        ],
    )
    produce(canonical, [event(n, "direct", "i2", source="t") for n in range(3)])
    run_worker(settings)
    assert {
        user: record["count"] for user, record in latest(read_topic(settings.topics.vectors)).items()
    } == {
        "ce": 2,
        "direct": 3,
    }
    assert audit(settings).canonical_direct == 3


def test_an_event_waits_for_its_item_across_a_restart_and_an_item_removed_is_recommended_no_more(
    deploy: Callable[..., Settings], produce: Produce, read_topic: ReadTopic
) -> None:
    settings = deploy([event(0, "u", "late"), event(1, "u", "i1")])
    run_worker(settings)
    assert audit(settings).outcomes["waiting"] == 1
    hidden = orjson.dumps({"item_id": "i2", "title": "red thing 2", "hidden": True})
    produce(settings.topics.items, [(b"i3", None), (b"i2", hidden), *late_items(["late"])])
    run_worker(settings)
    books = audit(settings)
    assert (books.outcomes["waiting"], books.outcomes["applied"] + books.outcomes["late"]) == (0, 2)
    assert books.balanced
    assert latest(read_topic(settings.topics.vectors))["u"]["count"] == 2
    shown = {item["item_id"] for item in latest(read_topic(settings.topics.recommendations))["u"]["items"]}
    assert shown
    assert not shown & {"i2", "i3", "i1", "late"}


def late_items(names: Iterable[str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), orjson.dumps({"item_id": name, "title": f"blue {name}"})) for name in names]


def test_what_a_replaced_worker_writes_over_a_user_is_written_again(
    deploy: Callable[..., Settings], produce: Produce, read_topic: ReadTopic
) -> None:
    settings = deploy(clicks(200, users=1), partitions=1, batch_events=20)
    topic = settings.topics.state

    def states() -> list[bytes]:
        return [m.value() for m in read_topic(topic) if m.key() == b"u0"]

    with running_worker(settings):
        eventually(lambda: audit(settings).read == 200, "every event")
        older, *_, newest = states()
        layout = build_flow(settings, "any").layout
        row = np.frombuffer(older[: layout.size], np.uint8).copy()[None]
        layout.view(row)["epoch"] -= 1  # by whoever had the partition before
        older = row.tobytes() + older[layout.size :]
        # The owner has nothing to write, and notices all the same.
        produce(topic, [{"key": b"u0", "value": older, "partition": 0}])
        eventually(lambda: states()[-1] != older, "the newest state once more")
        assert audit(settings).read == 200
        states_of = [
            layout.view(np.frombuffer(v[: layout.size], np.uint8)[None]) for v in (newest, states()[-1])
        ]
        assert [s["offset"][0] for s in states_of] == [199, 199]
        assert states_of[0]["model"].tobytes() == states_of[1]["model"].tobytes()
    assert replay.verify(settings).equal


def test_a_worker_that_joins_takes_over_partitions_without_a_repeat(
    deploy: Callable[..., Settings], produce: Produce, read_topic: ReadTopic
) -> None:
    settings = deploy(clicks(2000), partitions=4, batch_events=20)
    raw = settings.topics.raw_sources[0].topic
    with running_worker(settings):
        eventually(lambda: len(read_topic(settings.topics.events)) >= 2000, "the first events")
        # What is under way when the second joins must neither be lost nor ingested twice.
        produce(raw, clicks(8000, first=2000))
        second = settings.model_copy(update={"metrics_port": free_port()})
        with running_worker(second):
            eventually(lambda: is_ready(second.observation.metrics_port), "the second worker")
            produce(raw, clicks(2000, first=10_000))
            eventually(lambda: audit(settings).read == 12_000, "every event read by two")
        produce(raw, clicks(500, first=12_000))
        eventually(lambda: audit(settings).read == 12_500, "the rest after the second has left")
    books = audit(settings)
    assert (books.balanced, books.canonical, books.canonical_repeats) == (True, 12_500, 0)
    assert replay.verify(settings).equal
