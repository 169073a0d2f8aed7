"""The books on a real Kafka: behind retention, beside transactions, with gaps, and with a catalog."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.local_kafka import local_kafka
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.conftest import Produce
from tests.broker.test_worker import clicks, deploy, event  # noqa: F401 - one is a fixture
from tests.broker.workers import command, environment, run_worker

Deploy = Callable[..., Settings]


def remove_up_to(admin: AdminClient, topic: str, partition: int, offset: int) -> None:
    """As retention does."""
    (done,) = admin.delete_records([TopicPartition(topic, partition, offset)]).values()
    done.result(30)


def test_what_retention_has_taken_and_what_a_worker_has_not_come_to_is_no_problem(
    deploy: Deploy,  # noqa: F811
    produce: Produce,
    admin: AdminClient,
) -> None:
    settings = deploy(clicks(300), partitions=1, recommend=False)
    raw, topic = settings.topics.raw_sources[0].topic, settings.topics.canonical
    before = audit(settings)
    assert (before.balanced, before.not_ingested, before.items["unread"]) == (True, {raw: 300}, 40)
    run_worker(settings)
    remove_up_to(admin, raw, 0, 120)
    remove_up_to(admin, topic, 0, 200)
    books = audit(settings)
    assert (books.problems, books.sources, books.canonical, books.read) == ([], {raw: 180}, 100, 300)
    assert (books.unread, books.removed, books.not_ingested, books.forgotten) == (0, [], {}, {raw: 80})
    # Ten more, which nobody has read, of which half go.
    produce(topic, clicks(10, first=300))
    remove_up_to(admin, topic, 0, 305)
    produce(raw, clicks(7, first=400))
    books = audit(settings)
    assert (books.problems, books.read, books.unread, books.canonical_direct) == ([], 300, 5, 5)
    assert books.removed == [{"topic": topic, "partition": 0, "offsets": 5}]
    assert books.not_ingested == {raw: 7}
    told = command(settings, "audit")
    assert f"removed before they were read: {topic}-0" in told


def test_a_record_that_the_group_has_passed_and_that_is_nowhere_is_named(
    deploy: Deploy,  # noqa: F811
    produce: Produce,
    admin: AdminClient,
) -> None:
    settings = deploy(clicks(20), partitions=1, recommend=False)
    raw = settings.topics.raw_sources[0].topic
    run_worker(settings)
    produce(raw, clicks(5, first=20))
    passed = ConsumerGroupTopicPartitions(settings.topics.group, [TopicPartition(raw, 0, 23)])
    (done,) = admin.alter_consumer_group_offsets([passed]).values()
    done.result(30)
    books = audit(settings)
    assert books.gaps == [{"topic": raw, "partition": 0, "records": 3, "ranges": [[20, 22]]}]
    assert (books.balanced, books.not_ingested) == (False, {raw: 2})


def test_aborted_transactions_and_control_records_are_in_no_count(
    deploy: Deploy,  # noqa: F811
    kafka: str,
) -> None:
    settings = deploy(partitions=1)
    raw, topic = settings.topics.raw_sources[0].topic, settings.topics.canonical
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": settings.topics.app})
    producer.init_transactions(30)
    for number, keep in enumerate([True, False, True, False]):
        producer.begin_transaction()
        for key, value in clicks(10, first=10 * number):
            producer.produce(raw, value, key)
            producer.produce(topic, value, key)
        producer.flush(30)
        (producer.commit_transaction if keep else producer.abort_transaction)(30)
    books = audit(settings)
    assert (books.sources, books.canonical, books.unread, books.problems) == ({raw: 20}, 20, 20, [])


def item(item_id: str, title: str = "red mug") -> tuple[bytes, bytes]:
    return item_id.encode(), orjson.dumps({"item_id": item_id, "title": title})


@pytest.fixture
def with_catalog(deploy: Deploy, produce: Produce) -> Settings:  # noqa: F811
    """A deployment whose catalog has changed after its first events."""
    settings = deploy(
        [event(0, "u", "i1"), event(1, "u", "i2"), event(2, "v", " I3")], exclude_consumed=False
    )
    run_worker(settings)
    produce(
        settings.topics.items, [(b"nobody", None), (b"i1", None), (b"bad", b"{"), item("i2", "red thing 2")]
    )
    run_worker(settings)
    return settings


def test_the_catalog_is_in_the_books_and_removed_items_let_their_events_wait(
    with_catalog: Settings, produce: Produce
) -> None:
    settings = with_catalog
    books = audit(settings)
    assert books.problems == []
    assert books.items == {
        "read": 44, "unread": 0, "encoded": 39, "unchanged": 1, "replaced": 1, "removed": 1, "removed_unknown": 1,
        "refused": 1,
    }  # fmt: skip
    assert books.items_refused == {"not_json": 1}
    # Applied before its item was removed, as it was then.
    assert replay.verify(settings).equal
    produce(settings.topics.raw_sources[0].topic, [event(3, "w", "i1"), event(4, "w", "i4", action="zoom")])
    run_worker(settings)
    books = audit(settings)
    assert (books.outcomes["waiting"], books.actions_without_rule, books.balanced) == (2, {"zoom": 1}, True)
    verdict = replay.verify(settings)
    assert (verdict.equal, verdict.events) == (True, 5)
    told: dict[str, Any] = orjson.loads(command(settings, "audit", "--waiting", "--json"))
    assert (told["events"], told["items"]) == (2, 2)
    names = ("events", "users", "catalog", "near")
    assert {one["item_id"]: tuple(one[name] for name in names) for one in told["waiting"]} == {
        "i1": (1, 1, "removed", []),
        " I3": (1, 1, "unknown", [{"item_id": "i3", "differs": ["case", "space"]}]),
    }  # fmt: skip
    produce(settings.topics.items, [item("i1", "blue shoe"), item(" I3")])
    run_worker(settings)
    books = audit(settings)
    assert (books.outcomes["waiting"], books.balanced) == (0, True)
    assert command(settings, "audit", "--waiting") == "no event waits for an item\n"


# In a process of its own: librdkafka's admin client would end it (confluentinc/librdkafka#4605).
LOOKS = """
from streams.history.books.asked import read_so_far
from streams.kafka.topics.admin import TopicAdmin
from streams.kafka.security import librdkafka_config
from streams.settings.configuration import load
settings = load()
metadata = TopicAdmin(settings.kafka, "us").topics()
config = librdkafka_config(settings.kafka, "us")
for number in range(40):
    assert read_so_far(config, f"app-{number}-g1", metadata, [settings.topics.canonical], {}) == {}
"""


def test_the_first_looks_at_a_cluster_wait_for_each_groups_coordinator(tmp_path: Path) -> None:
    """A cluster makes its topic of groups' offsets when it is first asked, and then loads its partitions."""
    with local_kafka.running(tmp_path / "kafka", port=local_kafka.free_port(), heap_mb=256) as broker:
        settings = Settings(sources=(Source(topic="raw"),), kafka_bootstrap_servers=broker.bootstrap_servers)
        topics.create(settings)
        done = subprocess.run(
            [sys.executable, "-c", LOOKS],
            env=environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
