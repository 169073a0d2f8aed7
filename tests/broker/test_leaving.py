"""How workers leave: in every phase in order, without a rebalance where their place is kept, and after an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.local_kafka import local_kafka
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, LoggedWorker, eventually, is_ready, logged_workers

Start = Callable[..., LoggedWorker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(settings, **changed) -> a running worker, gone at the end."""
    with logged_workers(tmp_path) as run:
        yield lambda settings, **changed: run(
            settings.model_copy(update={"metrics_port": free_port(), **changed})
        )


@pytest.fixture
def settings(make_settings: Callable[..., Settings], produce: Callable[..., None]) -> Settings:
    """A deployment with a catalog and some events."""
    made = make_settings(**{**SMALL, "partitions": 4, "shutdown_deadline_s": 20.0})
    topics.create(made)
    produce(made.topics.items, items())
    produce(made.topics.raw_sources[0].topic, clicks(2000))
    return made


def members(settings: Settings) -> tuple[int] | None:
    """How many the group has; None where nobody can tell yet."""
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    try:
        return (
            len(
                admin.describe_consumer_groups([settings.topics.group])[settings.topics.group]
                .result(20)
                .members
            ),
        )
    except KafkaException as error:
        return (0,) if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND else None


# From its first log line on; what it does then, from loading the catalog to applying events, takes two seconds.
@pytest.mark.parametrize("delay_s", [0.0, 0.25, 0.8, 2.0])
def test_sigterm_ends_a_worker_in_order_whatever_it_is_doing(
    delay_s: float, settings: Settings, start: Start
) -> None:
    worker = start(settings)
    eventually(lambda: worker.says("metrics on"), "the first line")
    time.sleep(delay_s)
    worker.leave()
    assert worker.says("stopped") == 1
    assert eventually(lambda: members(settings), "an answer of the group's coordinator") == (0,)


def test_a_quick_restart_of_a_named_worker_moves_nothing(settings: Settings, start: Start) -> None:
    """Static membership: the other one keeps its partitions and its states, and does not recover again."""
    first = start(settings, group_instance_id="one")
    other = start(settings, group_instance_id="two")
    first.ready()
    other.ready()
    eventually(lambda: audit(settings).read == 2000, "all events")
    recoveries = other.says("recovered ")
    first.leave()
    again = start(settings, group_instance_id="one")
    again.ready()
    assert "partitions []" not in again.log.read_text()
    again.leave()
    other.leave()
    assert other.says("recovered ") == recoveries
    assert audit(settings).balanced


def test_an_outage_is_told_waited_for_and_survived(tmp_path: Path, start: Start) -> None:
    """Longer than the session: the worker goes on with the same process, and ends where it lasts too long."""
    port = local_kafka.free_port()
    with local_kafka.running(tmp_path / "kafka", port=port, heap_mb=256) as broker:
        own: dict[str, Any] = {
            **SMALL,
            "kafka_bootstrap_servers": broker.bootstrap_servers,
            "session_timeout_s": 6.0,
        }
        made = Settings(sources=(Source(topic="raw"),), metrics_port=0, **own)
        topics.create(made)
        patient, hasty = start(made, retry_deadline_s=120.0), start(made, retry_deadline_s=1.0, app="hasty")
        topics.create(hasty.settings)
        patient.ready()
        local_kafka.stop(broker.home)
        eventually(lambda: not is_ready(patient.settings.observation.metrics_port), "the pause")
        assert hasty.process.wait(60) == 70
        assert hasty.says("INTERESTFLOW_RETRY_DEADLINE_S")
        assert patient.says("trying again for up to")
        local_kafka.start(broker.home, port=port, heap_mb=256)
        patient.ready()
        patient.leave()
