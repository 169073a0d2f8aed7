"""A real Apache Kafka for every test below this folder, and short ways to make, fill and read topics."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams import local_kafka
from streams.reading import read_all
from streams.settings import Settings, Source

FOLDER = Path(__file__).parent
TIMEOUT_S = 30.0

MakeTopic = Callable[..., str]
Produce = Callable[..., None]
ReadTopic = Callable[[str], list[Message]]
MakeSettings = Callable[..., Settings]


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `broker`."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a running Kafka: the one you named, else a local one for this session."""
    given = os.environ.get("INTERESTFLOW_TEST_BOOTSTRAP_SERVERS")
    if given:
        AdminClient({"bootstrap.servers": given}).list_topics(timeout=TIMEOUT_S)
        yield given
        return
    with local_kafka.running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def topic_prefix() -> str:
    """Start of every topic name of one test, so that tests share a broker without meeting."""
    return f"test-{uuid.uuid4().hex[:12]}."


@pytest.fixture(scope="session")
def admin(kafka: str) -> AdminClient:
    """Admin client of the session's Kafka."""
    return AdminClient({"bootstrap.servers": kafka})


@pytest.fixture
def make_topic(admin: AdminClient, topic_prefix: str) -> MakeTopic:
    """make_topic(name, partitions=1, **config) -> full name; `__` in a config name stands for a dot."""

    def make(name: str, partitions: int = 1, **config: str) -> str:
        full = topic_prefix + name
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        admin.create_topics([NewTopic(full, partitions, 1, config=dotted)])[full].result(TIMEOUT_S)
        return full

    return make


@pytest.fixture
def produce(kafka: str) -> Produce:
    """produce(topic, records, **config): returns once all are delivered.

    A record is (key, value), (key, value, headers) or a dict of keyword arguments of `Producer.produce`; config
    is librdkafka's, with `__` for a dot.
    """

    def write(topic: str, records: Iterable[Any], **config: Any) -> None:
        failed: list[KafkaError] = []
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", **dotted})
        for record in records:
            fields = (
                record
                if isinstance(record, dict)
                else dict(zip(("key", "value", "headers"), record, strict=False))
            )
            producer.produce(topic, **fields, on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0)
        left = producer.flush(TIMEOUT_S)
        if failed or left:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._MSG_TIMED_OUT))

    return write


@pytest.fixture
def read_topic(kafka: str) -> ReadTopic:
    """read_topic(topic) -> all its records up to the end now, in offset order per partition."""

    def read(topic: str) -> list[Message]:
        return [message for chunk in read_all({"bootstrap.servers": kafka}, topic) for message in chunk]

    return read


@pytest.fixture
def make_settings(kafka: str, topic_prefix: str) -> MakeSettings:
    """make_settings(**fields) -> settings for this Kafka whose topics and group are the test's own."""

    def make(**fields: Any) -> Settings:
        names = {
            name: topic_prefix + str(field.default)
            for name, field in Settings.model_fields.items()
            if name.startswith("topic_")
        }
        own: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka,
            "app": topic_prefix + "app",
            "sources": (Source(topic=topic_prefix + "behavior.raw.v1"),),
            "metrics_port": 0,
        }
        return Settings(**{**names, **own, **fields})

    return make
