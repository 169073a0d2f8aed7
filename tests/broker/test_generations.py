"""From one encoder to another on a real Kafka: refused in a sentence, then rebuilt from what is there."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.conftest import MakeSettings, Produce, ReadTopic, await_topic
from tests.broker.test_worker import clicks, items, latest
from tests.broker.workers import SMALL, eventually, finish, run_worker, spawn

# Of one user far more than the ids by which a repeat is told.
EVENTS = 100


@pytest.fixture
def built(make_settings: MakeSettings, produce: Produce) -> Settings:
    """Settings of a deployment whose first generation has applied all events, and runs no more."""
    settings = make_settings(**SMALL, partitions=2, recommend=False)
    topics.create(settings)
    produce(settings.topics.items, items())
    produce(settings.topics.raw_sources[0].topic, clicks(EVENTS, users=2))
    run_worker(settings)
    return settings


def counted(settings: Settings, read_topic: ReadTopic) -> int:
    """Events in the vectors of this generation."""
    vectors = latest(read_topic(settings.topics.vectors)).values()
    assert {record["generation"] for record in vectors} == {settings.topics.generation}
    return sum(record["count"] for record in vectors)


def test_another_encoder_is_refused_then_replays_each_event_once_and_reads_on(
    built: Settings, produce: Produce, read_topic: ReadTopic
) -> None:
    second = built.model_copy(update={"generation": 2, "dimensions": 8})
    topics.create(second)
    log = finish(spawn(second), 1)
    assert "INTERESTFLOW_TOPIC_EMBEDDINGS to a topic of its own" in log
    assert "Traceback" not in log
    second = second.model_copy(update={"topic_embeddings": f"{built.topics.embeddings}-2"})
    topics.create(second)
    # What came while no worker ran is the second one's to ingest.
    produce(second.topics.raw_sources[0].topic, clicks(10, first=EVENTS, users=2))
    run_worker(second)
    assert counted(second, read_topic) == EVENTS + 10
    books = audit(second)
    assert (books.canonical, books.canonical_repeats, books.balanced) == (EVENTS + 10, 0, True)
    assert replay.verify(second).equal


def test_where_the_canonical_topic_was_made_anew_the_sources_are_the_history(
    built: Settings, admin: AdminClient, read_topic: ReadTopic
) -> None:
    topic = built.topics.canonical
    admin.delete_topics([topic])[topic].result(20)
    eventually(lambda: topic not in admin.list_topics(timeout=10).topics, "the end of the topic")
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(20)
    await_topic(admin, topic)
    second = built.model_copy(update={"generation": 2})
    topics.create(second)
    run_worker(second)
    assert counted(second, read_topic) == EVENTS
