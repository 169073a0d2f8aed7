"""A consumer group that cannot be joined ends the worker with a sentence, where aiokafka only logs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.workers import SMALL, eventually, finish, spawn

MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    made = make_settings(**{**SMALL, "partitions": 1})
    topics.create(made)
    return made


@pytest.fixture
def other_application(kafka: str, settings: Settings) -> Iterator[None]:
    """A member of the same group, which shares partitions out by another protocol."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": settings.topics.group,
            "partition.assignment.strategy": "range",
            "log_level": 0,
        }
    )
    consumer.subscribe([settings.topics.items])
    eventually(lambda: consumer.poll(0.5) is None and consumer.assignment(), "its assignment")
    stop = threading.Event()

    def live() -> None:
        while not stop.is_set():
            consumer.poll(0.2)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        consumer.close()


@pytest.mark.usefixtures("other_application")
def test_a_group_of_another_application_is_named_with_its_setting(settings: Settings) -> None:
    log = finish(spawn(settings), 70)
    last = log.strip().splitlines()[-1]
    assert f"cannot go on: consumer group {settings.topics.group}: " in last
    assert "INCONSISTENT_GROUP_PROTOCOL" in last
    assert "INTERESTFLOW_APP" in last


def test_a_session_that_the_brokers_do_not_allow_is_named_with_its_setting(settings: Settings) -> None:
    # group.max.session.timeout.ms is half an hour.
    log = finish(spawn(settings.model_copy(update={"session_timeout_s": 3600.0})), 70)
    last = log.strip().splitlines()[-1]
    assert f"consumer group {settings.topics.group}" in last
    assert "INTERESTFLOW_SESSION_TIMEOUT_S" in last


def test_a_source_that_is_not_there_is_named(settings: Settings, topic_prefix: str) -> None:
    misspelt = Source(topic=topic_prefix + "ordres", format="native")
    log = finish(spawn(settings.model_copy(update={"sources": (misspelt,)})), 1)
    assert f"topic {topic_prefix}ordres does not exist: correct INTERESTFLOW_SOURCES" in log
    assert "Traceback" not in log


def test_a_source_that_is_deleted_ends_a_worker(settings: Settings, admin: AdminClient) -> None:
    worker = spawn(settings)
    try:
        eventually(lambda: "recovered" in worker.said(), "the recovery")
        raw = settings.topics.raw_sources[0].topic
        admin.delete_topics([raw])[raw].result(30)
        log: Any = finish(worker, 70)
    finally:
        worker.kill()
        worker.communicate()
    assert raw in log.strip().splitlines()[-1]
    assert "INTERESTFLOW_SOURCES" in log
