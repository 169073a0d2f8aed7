"""Topics that take less than our records need: named by the check, refused at the start, or fitted to."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from sinks.base import TopicRecords
from sinks.kafka import KafkaLog
from streams.events.rejections import Reason, Rejected
from streams.kafka.topics import specifications as topics
from streams.kafka.topics.admin import TopicError
from streams.kafka.topics.limits import look
from streams.kafka.topics.record_bounds import KAFKA_DEFAULT, Needs, record_bytes
from streams.worker.stages.rejected_record import rejected_record
from tests.broker.conftest import MakeSettings, MakeTopic, ReadTopic
from tests.streams.flows import Record


def test_a_rejected_topic_of_somebody_elses_is_fitted_to_and_named(
    kafka: str, make_settings: MakeSettings, make_topic: MakeTopic
) -> None:
    settings = make_settings()
    make_topic("behavior.rejected.v1", settings.topics.partitions)
    topics.create(settings)
    (problem,) = topics.check(settings)
    needed = Needs.of(settings).rejected
    assert problem.startswith(
        f"{settings.topics.rejected} has max.message.bytes={KAFKA_DEFAULT}, not {needed}"
    )
    assert f"--add-config max.message.bytes={needed}" in problem
    found = look(AdminClient({"bootstrap.servers": kafka}), settings)
    assert (found.rejected, found.events) == (KAFKA_DEFAULT, Needs.of(settings).events)


def test_a_state_topic_that_takes_too_little_is_refused_at_the_start(
    kafka: str, make_settings: MakeSettings, make_topic: MakeTopic
) -> None:
    settings = make_settings()
    make_topic("app-g1-state", settings.topics.partitions)
    topics.create(settings)
    with pytest.raises(
        TopicError, match=r"state has max\.message\.bytes=1048588, not .*kafka-configs.*WAITING_BYTES"
    ):
        look(AdminClient({"bootstrap.servers": kafka}), settings)
    smaller = settings.model_copy(update={"waiting_bytes_per_user": 900_000})
    assert look(AdminClient({"bootstrap.servers": kafka}), smaller).recommendations == KAFKA_DEFAULT


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_the_broker_takes_what_we_count_as_fitting(
    kafka: str, make_topic: MakeTopic, read_topic: ReadTopic, beyond: int
) -> None:
    """A rejected record at the bound, one byte below and one above, which is cut down to fit."""
    room = 1_000_000
    topic = make_topic("rejected", max__message__bytes=str(room))
    why = Rejected(Reason.NOT_JSON, "not JSON", "ingest.decode")
    around = record_bytes(*rejected_record(Record(b"", 7, b"k"), why, room))
    made = rejected_record(Record(b"x" * (room - around + beyond), 7, b"k"), why, room)
    assert (made.value is None) is (beyond > 0)
    sink = KafkaLog({"bootstrap.servers": kafka})
    sink.publish([TopicRecords(topic, [(made.key, made.value)], headers=[made.headers])]).result(timeout=30)
    sink.close(5)
    (message,) = read_topic(topic)
    assert message.value() == made.value
