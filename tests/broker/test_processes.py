"""Workers as processes of one command on a real Kafka: every event once, restarts, one set of metrics, one end."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from streams.history.audit import audit
from streams.history.replay import verify
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, LoggedWorker, counted, eventually, finish, logged_workers, spawn_anew

Start = Callable[[Settings], LoggedWorker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(settings) -> a running command, gone at the end."""
    with logged_workers(tmp_path) as run:
        yield run


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], produce: Callable[..., None], tmp_path: Path
) -> Settings:
    """Two processes that keep their names; 1000 events wait."""
    own: dict[str, Any] = {
        "partitions": 4,
        "processes": 2,
        "group_instance_id": "shop",
        "snapshot_dir": tmp_path / "snapshots",
        "encoder_cache_dir": tmp_path / "cache",
    }
    made = make_settings(**{**SMALL, **own, "metrics_port": free_port()})
    topics.create(made)
    produce(made.topics.items, items())
    produce(made.topics.raw_sources[0].topic, clicks(1000))
    return made


def shown(settings: Settings, sample: str) -> float:
    """The value of a sample on /metrics; 0 where there is none."""
    with urlopen(f"http://127.0.0.1:{settings.observation.metrics_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^interestflow_{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def applied(settings: Settings) -> float:
    """Events that moved a vector, as the metrics say."""
    return sum(shown(settings, f'events_total{{outcome="{outcome}"}}') for outcome in ("applied", "late"))


def sharing(command: LoggedWorker) -> list[psutil.Process]:
    """The processes that use memory in common."""
    children = psutil.Process(command.process.pid).children()
    return [one for one in children if any("interestflow-vectors" in m.path for m in one.memory_maps())]


def test_every_event_counts_once_though_a_process_is_killed(
    settings: Settings, produce: Callable[..., None], start: Start
) -> None:
    command = start(settings)
    command.ready()
    eventually(lambda: sum(counted(settings).values()) == 1000, "the vectors")
    assert applied(settings) == 1000
    children = psutil.Process(command.process.pid).children()
    assert len(children) == shown(settings, 'processes{state="ready"}') == 2
    assert len(sharing(command)) == 2
    os.kill(children[0].pid, signal.SIGKILL)
    produce(settings.topics.raw_sources[0].topic, clicks(1000, first=1000))
    eventually(lambda: sum(counted(settings).values()) == 2000, "the vectors of the others")
    command.ready()
    assert shown(settings, "process_restarts_total") == 1
    assert 1000 < applied(settings) <= 2000
    assert len(sharing(command)) == 2
    children = psutil.Process(command.process.pid).children()
    command.leave()
    assert not any(child.is_running() for child in children)
    assert audit(settings).balanced
    # One process alone, with a catalog of its own, comes to the same bits.
    assert verify(settings).equal


def test_the_metrics_are_the_sum_and_names_and_files_are_each_processs_own(
    settings: Settings, start: Start, tmp_path: Path
) -> None:
    command = start(settings)
    command.ready()
    eventually(lambda: applied(settings) == 1000, "the count")
    raw = settings.topics.raw_sources[0].topic
    assert shown(settings, f'ingested_total{{outcome="event",topic="{raw}"}}') == 1000
    assert shown(settings, 'catalog_items{visibility="shown"}') == 40
    users = sum(shown(settings, f'users{{partition="{n}",place="memory"}}') for n in range(4))
    assert users == len(counted(settings)) == 20
    command.leave()
    log = command.log.read_text()
    assert "[1] " in log
    assert "[2] " in log
    for folder in ("snapshots", "cache"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == {"process-1", "process-2"}
    assert "cannot be used" not in log


def test_a_group_ends_when_there_is_nothing_to_do(settings: Settings) -> None:
    finish(spawn_anew(settings, "--exit-when-idle", "3"))
    assert sum(counted(settings).values()) == 1000


def test_a_missing_topic_ends_all_with_its_sentence(settings: Settings, topic_prefix: str) -> None:
    misspelt = Source(topic=topic_prefix + "ordres", format="native")
    log = finish(spawn_anew(settings.model_copy(update={"sources": (misspelt,)})), 1)
    last = log.strip().splitlines()[-1]
    assert last.startswith(
        f"interestflow: topic {topic_prefix}ordres does not exist: correct INTERESTFLOW_SOURCES"
    )
    assert "Traceback" not in log
