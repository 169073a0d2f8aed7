"""No gap behind a record that a real broker refuses: the first of its partition, one among many, of any topic."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from sinks.base import SinkError, TopicRecords
from sinks.kafka import KafkaLog
from tests.broker.conftest import MakeTopic, ReadTopic

T = TypeVar("T")
TAKES = 2000
# Small batches, so that many requests are on their way at once.
SMALL: dict[str, Any] = {"linger.ms": 0, "batch.size": TAKES, "log_level": 0}
HEADERS = [("note", b"n")]


@pytest.fixture
def sink(kafka: str) -> Iterator[KafkaLog]:
    found = KafkaLog({"bootstrap.servers": kafka, **SMALL}, deadline_s=60)
    yield found
    found.close(1)


def numbered(first: int, count: int, size: int = 100) -> list[tuple[bytes, bytes]]:
    return [(b"k", b"%06d" % number + b"s" * size) for number in range(first, first + count)]


def numbers(messages: list[Message]) -> list[int]:
    found = [(message.offset(), int((message.value() or b"")[:6])) for message in messages]
    return [number for _, number in sorted(found)]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("before", [0, 1, 50])
def test_nothing_is_appended_behind_a_record_that_the_broker_refuses(
    sink: KafkaLog, make_topic: MakeTopic, read_topic: ReadTopic, before: int, keyed: bool
) -> None:
    """before: records in front of the refused one, in the same call; with none of them it is the partition's first."""
    topic = make_topic("gapless", max__message__bytes=str(TAKES))
    records = [*numbered(0, before), *numbered(before, 1, 5 * TAKES), *numbered(before + 1, 300)]
    partition = None if keyed else 0
    delivered = sink.publish([TopicRecords(topic, records, partition)])
    with pytest.raises(SinkError, match=rf"{topic} \(partition 0\).*too large.*max\.message\.bytes"):
        delivered.result(timeout=30)
    with pytest.raises(SinkError, match=topic):
        sink.publish([TopicRecords(topic, numbered(9000, 1), partition)])
    sink.close(10)
    appended = numbers(read_topic(topic))
    assert appended == list(range(len(appended)))
    assert len(appended) <= before


def test_calls_that_follow_a_refused_one_append_nothing(
    sink: KafkaLog, make_topic: MakeTopic, read_topic: ReadTopic
) -> None:
    """As batches of one partition whose deliveries are outstanding follow one another."""
    topic = make_topic("gapless", max__message__bytes=str(TAKES))
    sink.publish([TopicRecords(topic, numbered(0, 5), 0)]).result(timeout=30)
    futures = []
    for first in range(5, 505, 10):
        size = 5 * TAKES if first == 105 else 100
        try:
            futures.append(sink.publish([TopicRecords(topic, numbered(first, 10, size), 0)]))
        except SinkError:  # it was refused meanwhile
            break
    errors = [future.exception(timeout=30) for future in futures]
    assert all(isinstance(error, SinkError) for error in errors[10:])
    sink.close(10)
    appended = numbers(read_topic(topic))
    assert appended == list(range(len(appended)))
    assert len(appended) <= 105


def paced(publish: Callable[[int], T]) -> Iterator[T]:
    """What many calls return: at first as fast as can be, then so that a broker on a busy machine has half a minute."""
    for number in range(5, 35_000):
        yield publish(number)
        if number > 5000:
            time.sleep(0.001)


def test_whoever_publishes_meanwhile_to_another_topic_is_told_of_the_record_that_was_refused(
    sink: KafkaLog, make_topic: MakeTopic
) -> None:
    """Between the end of librdkafka's producer and its report on that record, all it says is that it has ended."""
    narrow, other = make_topic("narrow", max__message__bytes=str(TAKES)), make_topic("other")
    for topic in (narrow, other):
        sink.publish([TopicRecords(topic, numbered(0, 5), 0)]).result(timeout=30)
    futures = [sink.publish([TopicRecords(narrow, numbered(5, 1, 5 * TAKES), 0)])]
    reason = rf"{narrow} \(partition 0\).*too large"
    with pytest.raises(SinkError, match=reason):
        futures.extend(paced(lambda number: sink.publish([TopicRecords(other, numbered(number, 1), 0)])))
    errors = [error for future in futures if (error := future.exception(timeout=30)) is not None]
    assert all(re.search(reason, str(error)) for error in errors)


def test_a_topic_that_takes_less_from_now_on_leaves_no_gap(
    sink: KafkaLog, kafka: str, make_topic: MakeTopic, read_topic: ReadTopic
) -> None:
    topic = make_topic("gapless", 2)
    sink.publish([TopicRecords(topic, numbered(0, 20), 0)]).result(timeout=30)
    entry = ConfigEntry("max.message.bytes", "300", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)
    refused = False
    for first in range(20, 2020, 20):
        try:
            sink.publish([TopicRecords(topic, numbered(first, 20), 0)]).result(timeout=30)
        except SinkError as error:
            refused = "too large" in str(error)
            break
    assert refused
    sink.close(10)
    appended = numbers(read_topic(topic))
    assert appended == list(range(len(appended)))


def test_records_of_many_partitions_keep_their_order_from_the_first(
    sink: KafkaLog, make_topic: MakeTopic, read_topic: ReadTopic
) -> None:
    topic = make_topic("gapless", 7)
    records = [(b"user-%d" % (number % 40), b"%06d" % number) for number in range(2000)]
    futures = [
        sink.publish([TopicRecords(topic, records[first : first + 100], headers=[HEADERS] * 100)])
        for first in range(0, 1000, 100)
    ]
    futures += [
        sink.publish([TopicRecords(topic, records[first : first + 100])]) for first in range(1000, 2000, 100)
    ]
    for future in futures:
        future.result(timeout=30)
    messages = sorted(read_topic(topic), key=lambda message: (message.partition(), message.offset()))
    for user in {key for key, _ in records}:
        assert [m.value() for m in messages if m.key() == user] == [v for key, v in records if key == user]


def test_records_without_a_key_find_a_partition(
    sink: KafkaLog, make_topic: MakeTopic, read_topic: ReadTopic
) -> None:
    topic = make_topic("gapless", 3)
    sink.publish([TopicRecords(topic, [(None, b"%06d" % number) for number in range(30)])]).result(timeout=30)
    found = read_topic(topic)
    assert sorted(numbers(found)) == list(range(30))
    assert len({message.partition() for message in found}) == 3


def test_a_topic_that_does_not_exist_is_named(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.counting.MISSING_S", 0.5)
    sink = KafkaLog({"bootstrap.servers": kafka, "allow.auto.create.topics": False, **SMALL})
    delivered = sink.publish([TopicRecords("no-such-topic", [(b"k", b"v")])])
    with pytest.raises(SinkError, match="no-such-topic does not exist: run `interestflow topics create`"):
        delivered.result(timeout=30)
    sink.close(1)
