"""Topics of transactional producers: what is committed counts once, what is aborted or open does not."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.reading import Reader, ends_of, read_all
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.conftest import MakeSettings, MakeTopic, Produce, ReadTopic
from tests.broker.test_worker import event, items, latest
from tests.broker.workers import SMALL, run_worker

Transact = Callable[..., None]
WAIT_S = 20.0


@pytest.fixture
def transactional(kafka: str, topic_prefix: str) -> Callable[[str], Producer]:
    """transactional(name) -> a producer that may begin a transaction."""

    def make(name: str) -> Producer:
        own = {"transactional.id": topic_prefix + name, "partitioner": "murmur2_random"}
        producer = Producer({"bootstrap.servers": kafka, **own})
        producer.init_transactions(WAIT_S)
        return producer

    return make


def write(producer: Producer, topic: str, records: list[tuple[bytes, bytes]], partition: int = 0) -> None:
    """Into the transaction that is open, all on the broker before anything else is done."""
    for key, value in records:
        producer.produce(topic, value, key, partition)
    assert producer.flush(WAIT_S) == 0


def committed_and_ends(settings: Settings, topic: str) -> tuple[list[int], list[int]]:
    """Of each partition: where the group's commit stands, and the end of what is committed."""
    config = {"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": settings.topics.group}
    consumer = Consumer({**config, "enable.auto.commit": False})
    try:
        asked = [TopicPartition(topic, partition) for partition in range(settings.topics.partitions)]
        ends = [consumer.get_watermark_offsets(one, timeout=WAIT_S)[1] for one in asked]
        return [max(0, one.offset) for one in consumer.committed(asked, timeout=WAIT_S)], ends
    finally:
        consumer.close()


def interleaved(transactional: Callable[[str], Producer], topic: str) -> int:
    """Two producers' transactions and a plain one, into partition 0; only markers into 1. Returns what counts."""
    one, two = transactional("one"), transactional("two")
    one.begin_transaction()
    write(one, topic, [event(n, "kept") for n in range(5)])
    two.begin_transaction()
    write(two, topic, [event(n, "ghost") for n in range(100, 105)])
    write(one, topic, [event(n, "kept") for n in range(5, 9)])
    two.abort_transaction(WAIT_S)
    two.begin_transaction()
    write(two, topic, [event(n, "kept") for n in range(9, 12)])
    one.commit_transaction(WAIT_S)
    one.begin_transaction()
    write(one, topic, [event(n, "ghost") for n in range(200, 300)])
    two.commit_transaction(WAIT_S)
    one.abort_transaction(WAIT_S)
    two.begin_transaction()
    write(two, topic, [event(300, "ghost")], partition=1)
    two.abort_transaction(WAIT_S)
    return 12


@pytest.fixture(params=["native", "canonical"])
def settings(request: pytest.FixtureRequest, make_settings: MakeSettings, topic_prefix: str) -> Settings:
    """A deployment whose one source is a topic of its own."""
    source = Source(topic=topic_prefix + "source", format=request.param)
    made = make_settings(**SMALL, partitions=2, sources=(source,))
    topics.create(made)
    return made


def test_what_is_committed_counts_once_and_a_group_reads_beyond_the_markers(
    settings: Settings,
    transactional: Callable[[str], Producer],
    produce: Produce,
    read_topic: ReadTopic,
) -> None:
    produce(settings.topics.items, items(3))
    topic = settings.topics.sources[0].topic
    count = interleaved(transactional, topic)
    texts = transactional("search")
    texts.begin_transaction()
    write(texts, topic, [event(n, "reader", action="search", text="red") for n in range(400, 403)])
    texts.commit_transaction(WAIT_S)
    run_worker(settings)
    vectors = latest(read_topic(settings.topics.vectors))
    assert set(vectors) == {"reader"}  # an event without item or text moves nothing
    assert audit(settings).read == count + 3
    committed, ends = committed_and_ends(settings, topic)
    assert committed == ends
    assert replay.verify(settings).equal


def test_an_open_transaction_is_waited_for_by_nobody_and_counts_once_it_is_committed(
    settings: Settings, transactional: Callable[[str], Producer], produce: Produce
) -> None:
    topic = settings.topics.sources[0].topic
    produce(topic, [{"key": key, "value": value, "partition": 0} for key, value in [event(0, "u")]])
    one = transactional("open")
    one.begin_transaction()
    write(one, topic, [event(n, "u") for n in range(1, 4)])
    run_worker(settings)
    assert audit(settings).read == 1
    assert committed_and_ends(settings, topic)[0] == [1, 0]
    one.commit_transaction(WAIT_S)
    run_worker(settings)
    assert audit(settings).read == 4
    committed, ends = committed_and_ends(settings, topic)
    assert committed == ends


def test_items_of_a_transaction_are_learnt_once_it_is_committed_and_events_do_not_wait_for_its_marker(
    make_settings: MakeSettings, transactional: Callable[[str], Producer], read_topic: ReadTopic
) -> None:
    settings = make_settings(**SMALL, partitions=2)
    topics.create(settings)
    shop = transactional("shop")
    shop.begin_transaction()
    write(shop, settings.topics.items, [(b"kept", orjson.dumps({"item_id": "kept", "title": "red"}))])
    shop.commit_transaction(WAIT_S)
    shop.begin_transaction()
    write(shop, settings.topics.items, [(b"ghost", orjson.dumps({"item_id": "ghost", "title": "red"}))])
    shop.abort_transaction(WAIT_S)
    log = run_worker(settings)
    assert "items are still being encoded" not in log
    assert set(latest(read_topic(settings.topics.embeddings))) == {"kept"}
    committed, ends = committed_and_ends(settings, settings.topics.items)
    assert committed == ends


def test_a_reader_ends_behind_markers_alone_and_before_what_is_open(
    kafka: str, make_topic: MakeTopic, transactional: Callable[[str], Producer]
) -> None:
    topic, config = make_topic("read", 2), {"bootstrap.servers": kafka}
    one, two = transactional("one"), transactional("two")
    one.begin_transaction()
    write(one, topic, [event(0, "u")], partition=1)
    one.abort_transaction(WAIT_S)
    two.begin_transaction()
    write(two, topic, [event(1, "u")], partition=0)
    assert [m for chunk in read_all(config, topic, deadline_s=WAIT_S) for m in chunk] == []
    two.commit_transaction(WAIT_S)
    found = [m.offset() for chunk in read_all(config, topic, deadline_s=WAIT_S) for m in chunk]
    assert found == [0]
    assert ends_of(config, topic) == {0: 2, 1: 2}
    reader = Reader(config, topic)
    try:
        assert [m.offset() for m in reader.between(0, 0, 2, deadline_s=WAIT_S)] == [0]
        assert reader.between(1, 0, 2, deadline_s=WAIT_S) == []
    finally:
        reader.close()
