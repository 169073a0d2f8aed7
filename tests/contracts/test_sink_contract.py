"""What every log promises. That of Kafka runs on librdkafka's own mock cluster here: no broker needed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from sinks.base import Log, SinkError, TopicRecords
from sinks.kafka import KafkaLog
from sinks.memory import MemoryLog

Read = Callable[[str], list[tuple[Any, Any, list[tuple[str, bytes]]]]]
MOCK: dict[str, Any] = {"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0}


@pytest.fixture(params=["memory", "kafka"])
def sink_and_reader(request: pytest.FixtureRequest) -> Iterator[tuple[Log, Read]]:
    if request.param == "memory":
        memory = MemoryLog()
        yield memory, lambda topic: [(k, v, list(h)) for k, v, h in memory.records[topic]]
        return
    sink = KafkaLog(MOCK)
    brokers = sink._producer.list_topics(timeout=10).brokers.values()
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    yield sink, lambda topic: read(servers, topic)
    sink.close(5)


def read(servers: str, topic: str) -> list[tuple[Any, Any, list[tuple[str, bytes]]]]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions}
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found: list[Any] = []
    while len(found) < sum(ends.values()):
        found += consumer.consume(100, 1.0)
    consumer.close()
    found.sort(key=lambda m: (m.partition(), m.offset()))
    return [(m.key(), m.value(), m.headers() or []) for m in found]


def test_what_is_published_is_durable_in_order(sink_and_reader: tuple[Log, Read]) -> None:
    sink, reader = sink_and_reader
    records = [(b"key", b"%d" % i) for i in range(100)]
    sink.publish([TopicRecords("topic", records[:60], partition=0)])
    sink.publish([TopicRecords("topic", records[60:], partition=0)]).result(timeout=30)
    assert [(key, value) for key, value, _ in reader("topic")] == records


def test_headers_and_tombstones_arrive(sink_and_reader: tuple[Log, Read]) -> None:
    sink, reader = sink_and_reader
    headers = [[("reason", b"why"), ("reason", b"twice")], []]
    records: list[tuple[bytes | None, bytes | None]] = [(b"a", b"1"), (b"b", None)]
    sink.publish([TopicRecords("topic", records, partition=0, headers=headers)]).result(timeout=30)
    assert reader("topic") == [(b"a", b"1", headers[0]), (b"b", None, [])]


def test_headers_arrive_where_the_partition_has_been_written_to_before(
    sink_and_reader: tuple[Log, Read],
) -> None:
    sink, reader = sink_and_reader
    sink.publish([TopicRecords("topic", [(b"a", b"0")], partition=0)]).result(timeout=30)
    headers = [(("n", b"%d" % number),) for number in range(3)]
    records = [(b"a", b"%d" % number) for number in range(1, 4)]
    done = sink.publish([TopicRecords("topic", records, partition=0, headers=headers)])
    assert list(done.result(timeout=30)) == [3]
    assert [found for _, _, found in reader("topic")] == [[], *([own] for (own,) in headers)]


def test_one_key_keeps_its_order_whatever_the_partition(sink_and_reader: tuple[Log, Read]) -> None:
    sink, reader = sink_and_reader
    records = [(b"user-%d" % (i % 7), b"%d" % i) for i in range(70)]
    sink.publish([TopicRecords("topic", records)]).result(timeout=30)
    for user in range(7):
        mine = [value for key, value, _ in reader("topic") if key == b"user-%d" % user]
        assert mine == [value for key, value in records if key == b"user-%d" % user]


async def test_who_stops_waiting_disturbs_no_delivery(sink_and_reader: tuple[Log, Read]) -> None:
    sink, reader = sink_and_reader
    delivered = sink.publish([TopicRecords("topic", [(b"k", b"v")], partition=0)])
    waiting = asyncio.ensure_future(asyncio.wrap_future(delivered))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not delivered.cancelled()
    delivered.result(timeout=30)
    # What collects the delivery reports goes on.
    sink.publish([TopicRecords("topic", [(b"k", b"w")], partition=0)]).result(timeout=30)
    assert [value for _, value, _ in reader("topic")] == [b"v", b"w"]


def test_nothing_to_publish_is_done_at_once(sink_and_reader: tuple[Log, Read]) -> None:
    sink, _ = sink_and_reader
    assert list(sink.publish([]).result(timeout=1)) == []
    assert list(sink.publish([TopicRecords("topic", [])]).result(timeout=1)) == [-1]


def test_offsets_of_last_records_are_told_where_the_partition_is_named(
    sink_and_reader: tuple[Log, Read],
) -> None:
    sink, _ = sink_and_reader
    many, one = [(b"k", b"v")] * 7, [(b"k", b"v")]
    first = sink.publish([TopicRecords("a", many, partition=0), TopicRecords("b", many)])
    second = sink.publish(
        [TopicRecords("b", []), TopicRecords("a", one, partition=0), TopicRecords("c", [], partition=0)]
    )
    third = sink.publish([TopicRecords("a", many, partition=0, headers=[[("h", b"1")]] * 7)])
    assert [list(found.result(timeout=30)) for found in (first, second, third)] == [
        [6, -1],
        [-1, 7, -1],
        [14],
    ]


def test_close_leaves_nothing_behind(sink_and_reader: tuple[Log, Read]) -> None:
    sink, reader = sink_and_reader
    sink.publish([TopicRecords("topic", [(b"k", b"v")] * 50, partition=0)])
    assert sink.close(30) == 0
    assert len(reader("topic")) == 50


def test_a_broker_that_is_gone_is_an_error_and_no_silence() -> None:
    sink = KafkaLog({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, deadline_s=0.3)
    delivered = sink.publish([TopicRecords("topic", [(b"k", b"v")], partition=0)])
    with pytest.raises(SinkError, match=r"did not take a record of topic within 0\.3 s"):
        delivered.result(timeout=30)
    with pytest.raises(SinkError, match="did not take"):
        sink.publish([TopicRecords("topic", [(b"k", b"v")], partition=0)])
    assert sink.close(1) == 1


def refusing(request: pytest.FixtureRequest) -> tuple[Log, Read]:
    """A sink that refuses values of 2,000 bytes, and what it took."""
    if request.param == "memory":
        memory = MemoryLog(takes=lambda topic, key, value: len(value or b"") < 2000)
        return memory, lambda topic: [(k, v, list(h)) for k, v, h in memory.records[topic]]
    # Refused when it is enqueued; what a broker refuses is tried with a real one.
    sink = KafkaLog({**MOCK, "message.max.bytes": 1500})
    servers = ",".join(
        f"{one.host}:{one.port}" for one in sink._producer.list_topics(timeout=10).brokers.values()
    )
    return sink, lambda topic: read(servers, topic)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("request_of", ["memory", "kafka"])
def test_nothing_follows_a_record_that_is_refused(request_of: str, before: int) -> None:
    class Asked:
        param = request_of

    sink, reader = refusing(Asked())  # type: ignore[arg-type]  # all that is read of a request
    good = [(b"k", b"%d" % i) for i in range(before)]
    if good:
        sink.publish([TopicRecords("topic", good, partition=0)]).result(timeout=30)
    bad = [(b"k", b"x"), (b"k", b"x" * 2000), (b"k", b"y")]
    with pytest.raises(SinkError, match="topic"):
        sink.publish([TopicRecords("topic", bad, partition=0)]).result(timeout=30)
    with pytest.raises(SinkError, match="topic"):
        sink.publish([TopicRecords("topic", [(b"k", b"z")], partition=0)])
    sink.close(1)
    taken = [value for _, value, _ in reader("topic")]
    assert taken == [value for _, value in [*good, *bad]][: len(taken)]
    assert before <= len(taken) <= before + 1


def test_partitions_are_those_of_java_clients() -> None:
    """murmur2 of the key, as the Java client computes it (values from its own test vectors)."""
    sink = KafkaLog(MOCK)
    assert sink._producer is not None
    brokers = sink._producer.list_topics(timeout=10).brokers.values()
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    keys = [b"21", b"foobar", b"a-little-bit-long-string", b"abc"]
    # Java's Utils.murmur2 test vectors, made positive, modulo the mock's four partitions.
    hashes = [-973932308, -790332482, -985981536, 479470107]
    sink.publish([TopicRecords("topic", [(key, key) for key in keys])]).result(timeout=30)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "g"})
    count = len(consumer.list_topics("topic", timeout=10).topics["topic"].partitions)
    expected = {key: (h & 0x7FFFFFFF) % count for key, h in zip(keys, hashes, strict=True)}
    consumer.assign([TopicPartition("topic", p, 0) for p in range(count)])
    found: dict[bytes, int] = {}
    while len(found) < len(keys):
        found |= {m.key(): m.partition() for m in consumer.consume(10, 1.0)}
    consumer.close()
    sink.close(5)
    assert found == expected
