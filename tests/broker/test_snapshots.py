"""Restarts from local snapshots on a real Kafka: as right as from the changelog, and less to read."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, counted, eventually, finish, run_worker, spawn

Produce = Callable[..., None]
USED = re.compile(r"(\d+) users of a snapshot, (\d+) changelog offsets behind it")


@pytest.fixture
def settings(make_settings: Callable[..., Settings], produce: Produce, tmp_path: Path) -> Settings:
    """With topics, a catalog and 3,000 events."""
    own: dict[str, Any] = {
        **SMALL,
        "partitions": 2,
        "batch_events": 20,
        "recommend": False,
        "session_timeout_s": 6.0,
    }
    made = make_settings(**own, snapshot_dir=tmp_path / "snapshots", snapshot_interval_s=0.3)
    topics.create(made)
    produce(made.topics.items, items())
    produce(made.topics.raw_sources[0].topic, clicks(3000))
    return made


def used(log: str) -> list[tuple[int, int]]:
    """Users and changelog offsets behind of each snapshot used."""
    return [(int(users), int(behind)) for users, behind in USED.findall(log)]


def sound(settings: Settings, *written: list[tuple[bytes, bytes]]) -> None:
    """Each event counts once, and the changelog alone, which these read, holds all: no snapshot was ahead of it."""
    books = audit(settings)
    assert books.balanced, books.problems
    assert counted(settings) == Counter(user for part in written for user, _ in part)
    assert replay.verify(settings).equal


def test_after_an_orderly_end_only_the_claim_of_the_next_owner_is_left_to_read(
    settings: Settings, produce: Produce
) -> None:
    assert used(run_worker(settings)) == []
    sound(settings, clicks(3000))
    produce(settings.topics.raw_sources[0].topic, clicks(500, first=3000))
    found = used(run_worker(settings))
    assert sum(users for users, _ in found) == 20
    assert [behind for _, behind in found] == [1, 1]
    sound(settings, clicks(3000), clicks(500, first=3000))


def test_a_worker_killed_between_snapshots_goes_on_from_the_last_and_loses_nothing(
    settings: Settings, produce: Produce
) -> None:
    worker = spawn(settings)
    folder = settings.memory.snapshot_dir
    assert folder is not None
    eventually(lambda: len(list(folder.glob("*.snapshot"))) == 2, "the first snapshots")
    produce(settings.topics.raw_sources[0].topic, clicks(3000, first=3000))
    eventually(lambda: audit(settings).read > 3000, "later events")
    worker.send_signal(signal.SIGKILL)
    finish(worker, -signal.SIGKILL)
    assert len(used(run_worker(settings))) == 2
    sound(settings, clicks(3000), clicks(3000, first=3000))


def test_snapshots_of_a_changelog_that_was_made_anew_are_not_used(
    settings: Settings, admin: AdminClient
) -> None:
    run_worker(settings)
    admin.delete_topics([settings.topics.state])[settings.topics.state].result(30)
    eventually(lambda: settings.topics.state not in admin.list_topics(timeout=30).topics, "its end")
    topics.create(settings)
    log = run_worker(settings)
    assert used(log) == []
    assert log.count(f"{settings.topics.state} was made anew") == 2
    sound(settings, clicks(3000))


def test_snapshots_of_a_changelog_that_was_truncated_are_not_used(
    settings: Settings, admin: AdminClient
) -> None:
    """What is gone from the changelog must not live on in one worker's files: the events are read again."""
    run_worker(settings)
    # Kafka removes no records of a topic that is compacted alone.
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.topics.state)
    resource.add_incremental_config(
        ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    )
    admin.incremental_alter_configs([resource])[resource].result(30)
    whole = [TopicPartition(settings.topics.state, partition, -1) for partition in range(2)]
    for deleted in admin.delete_records(whole).values():
        deleted.result(30)
    log = run_worker(settings)
    assert used(log) == []
    assert log.count("the changelog began at 0 and begins at") == 2
    sound(settings, clicks(3000))
