"""Which errors of a read say that the brokers are away, and are worth another try."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.reading import ReadError, StalledError, bounds_now, is_away


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
    with pytest.raises(KafkaException):
        bounds_now(client, partition)
    assert bounds_now(client, partition) == (0, 7)
    assert client.asked == ["states"]
