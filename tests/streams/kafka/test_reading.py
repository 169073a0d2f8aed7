"""Which errors of a read say that the brokers are away, and are worth another try."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.kafka.log_bounds import bounds_now
from streams.kafka.reading import ReadError, StalledError, is_away


def wrapped(error: Exception) -> Exception:
    """As a caller that says more about it raises it on."""
    try:
        raise ReadError("cannot ask the brokers") from error
    except ReadError as told:
        return told


@pytest.mark.parametrize(
    "error",
    [
        KafkaException(KafkaError(KafkaError._TRANSPORT)),
        KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION)),  # a broker that has only just come back
        wrapped(KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))),
        StalledError("nothing came"),
        TimeoutError(),
    ],
)
def test_away_and_maybe_back_later(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        KafkaException(KafkaError(KafkaError._AUTHENTICATION)),
        KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)),
        ReadError("topic x does not exist"),
        ValueError("a bug"),
    ],
)
def test_what_another_try_does_not_mend(error: Exception) -> None:
    assert not is_away(error)


class Forgetful:
    """A client that believes what a broker said while it loaded its topics, until it is made to ask again."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        if not self.asked:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
        return 0, 7

    def list_topics(self, topic: str, timeout: float) -> None:
        self.asked.append(topic)


def test_a_partition_that_a_broker_had_not_loaded_is_asked_for_anew() -> None:
    client, partition = Forgetful(), TopicPartition("states", 0)
    assert bounds_now(client, partition) == (0, 7)
    assert client.asked == ["states"]


class Loyal:
    """A client that asks a leader that is gone, until it is made to ask the cluster who leads."""

    def __init__(self, code: int, follows: bool) -> None:
        self.code, self.follows, self.told = code, follows, False

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        if self.told and self.follows:
            return 0, 7
        raise KafkaException(KafkaError(self.code))

    def list_topics(self, topic: str, timeout: float) -> None:
        self.told = True
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # the cluster may be away as well


def test_the_next_leader_of_a_partition_is_asked_where_the_last_has_gone() -> None:
    client = Loyal(KafkaError._TIMED_OUT_QUEUE, follows=True)
    assert bounds_now(client, TopicPartition("states", 0)) == (0, 7)


@pytest.mark.parametrize(
    "code",
    [KafkaError._TIMED_OUT_QUEUE, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._UNKNOWN_PARTITION],
)
def test_a_partition_without_a_leader_is_given_up(code: int) -> None:
    with pytest.raises(KafkaException):
        bounds_now(Loyal(code, follows=False), TopicPartition("states", 0), timeout_s=0.3)
