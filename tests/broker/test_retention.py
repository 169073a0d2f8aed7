"""What is no longer there when it is to be read: removed records are told and counted, a topic made anew is noticed."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.audit import audit
from streams.kafka.member.fetching import FETCH_MAX_WAIT_MS
from streams.kafka.reading import read_all
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from streams.state.changelog import PROGRESS_KEY, Progress
from tests.broker.conftest import TIMEOUT_S, MakeSettings, Produce, await_topic
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, LoggedWorker, environment, eventually, logged_workers, run_worker

Start = Callable[[Settings], LoggedWorker]

PARKED_S = 1 + FETCH_MAX_WAIT_MS / 1000
"""For so long a broker may hold a stopped worker's last fetch, which what is written meanwhile would answer."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(settings) -> a running worker, gone at the end."""
    with logged_workers(tmp_path) as run:
        yield run


@pytest.fixture(params=["native", "canonical"])
def settings(
    request: pytest.FixtureRequest, make_settings: MakeSettings, topic_prefix: str, produce: Produce
) -> Settings:
    """A deployment with a catalog, of one partition, whose one source is a topic of its own."""
    source = Source(topic=topic_prefix + "source", format=request.param)
    made = make_settings(**{**SMALL, "partitions": 1, "sources": (source,), "recommend": False})
    made = made.model_copy(update={"metrics_port": free_port()})
    topics.create(made)
    produce(made.topics.items, items())
    return made


def remove(admin: AdminClient, topic: str, before: int) -> None:
    """As retention does: offsets below are gone."""
    partition = TopicPartition(topic, 0, before)
    admin.delete_records([partition])[partition].result(TIMEOUT_S)


def removed(settings: Settings) -> int:
    """Of the canonical topic, in the books of the newest progress record."""
    progress = None
    config = {"bootstrap.servers": settings.kafka.bootstrap_servers}
    for messages in read_all(config, settings.topics.state):
        for message in messages:
            if message.key() == PROGRESS_KEY:
                progress = Progress.newest(progress, message.value())
    return progress.books.get("removed", 0) if progress is not None else 0


def counted(settings: Settings, topic: str) -> float:
    """What the running worker's metric says."""
    with urlopen(f"http://127.0.0.1:{settings.observation.metrics_port}/metrics", timeout=10) as answer:
        shown = answer.read().decode()
    found = re.search(rf'removed_offsets_total{{partition="0",topic="{re.escape(topic)}"}} (\S+)', shown)
    return float(found[1]) if found else 0.0


def test_records_removed_while_no_worker_ran_are_told_counted_and_passed_over(
    settings: Settings, produce: Produce, admin: AdminClient
) -> None:
    topic = settings.topics.sources[0].topic
    produce(topic, clicks(40))
    assert "removed before" not in run_worker(settings)
    remove(admin, topic, 40)  # what was read is nobody's loss
    produce(topic, clicks(50, first=40))
    remove(admin, topic, 70)
    log = run_worker(settings)
    assert f"{topic}-0: offsets 40 to 69 were removed before they were read" in log
    assert log.count("were removed") == 1
    assert audit(settings).read == 60
    assert removed(settings) == (30 if settings.topics.canonical == topic else 0)
    assert "removed before" not in run_worker(settings)
    assert removed(settings) == (30 if settings.topics.canonical == topic else 0)


@pytest.mark.parametrize("settings", ["canonical"], indirect=True)
def test_a_replay_says_that_records_of_the_history_are_gone(
    settings: Settings, produce: Produce, admin: AdminClient
) -> None:
    topic = settings.topics.canonical
    produce(topic, clicks(40))
    run_worker(settings)
    remove(admin, topic, 30)
    done = CliRunner().invoke(app, ["replay"], env=environment(settings))
    assert done.exit_code == 1
    assert f"; records of {topic} were removed (partition 0 begins at offset 30), and " in done.stderr
    assert "set retention.ms=-1 on the topic" in done.stderr


def test_records_removed_under_a_running_worker_are_told_counted_and_passed_over(
    settings: Settings, produce: Produce, admin: AdminClient, start: Start
) -> None:
    topic = settings.topics.sources[0].topic
    produce(topic, clicks(40))
    worker = start(settings)
    worker.ready()
    eventually(lambda: audit(settings).read == 40, "the first events")
    worker.process.send_signal(signal.SIGSTOP)
    time.sleep(PARKED_S)
    produce(topic, clicks(50, first=40))
    remove(admin, topic, 70)
    worker.process.send_signal(signal.SIGCONT)
    eventually(lambda: audit(settings).read == 60, "the other events")
    assert counted(settings, topic) == 30
    worker.leave()
    assert worker.says(f"{topic}-0: offsets 40 to 69 were removed before they were read") == 1
    assert removed(settings) == (30 if settings.topics.canonical == topic else 0)


@pytest.mark.parametrize("settings", ["native"], indirect=True)
def test_a_source_made_anew_ends_the_worker_and_is_read_from_its_beginning_by_the_next(
    settings: Settings, produce: Produce, admin: AdminClient, start: Start
) -> None:
    topic = settings.topics.sources[0].topic
    produce(topic, clicks(40))
    worker = start(settings)
    worker.ready()
    eventually(lambda: audit(settings).read == 40, "the first events")
    worker.process.send_signal(signal.SIGSTOP)
    make_anew(admin, topic)
    produce(topic, clicks(45, first=100))
    worker.process.send_signal(signal.SIGCONT)
    log = worker.ended(70)
    assert re.search(rf"{re.escape(topic)}.* (was made anew|the topic was made anew)", log)
    assert "start the worker again" in log
    run_worker(settings)
    told = {
        e
        for m in read_all({"bootstrap.servers": settings.kafka.bootstrap_servers}, settings.topics.canonical)
        for e in re.findall(rb'"event_id":"(e\d+)"', b"".join(one.value() for one in m))
    }
    assert told == {b"e%d" % n for n in [*range(40), *range(100, 145)]}


def make_anew(admin: AdminClient, topic: str) -> None:
    """Delete a topic and make it again, with the same name."""
    admin.delete_topics([topic])[topic].result(TIMEOUT_S)
    deadline = time.monotonic() + TIMEOUT_S
    while topic in admin.list_topics(timeout=TIMEOUT_S).topics and time.monotonic() < deadline:
        time.sleep(0.1)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(TIMEOUT_S)
    await_topic(admin, topic)
