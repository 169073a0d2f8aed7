"""Which errors of a read say that the brokers are away, and are worth another try."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.reading import ReadError, StalledError, is_away


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
