"""Kafka's errors as sentences."""

from __future__ import annotations

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.member import coordinator
from streams.ops.kafka_errors import GroupError, describe, is_final, sentence

CODES = [
    code for name in dir(KafkaError) if name.isupper() and isinstance(code := getattr(KafkaError, name), int)
]


@pytest.mark.parametrize("code", CODES)
def test_every_error_is_one_sentence_with_its_name_and_what_to_do(code: int) -> None:
    said = sentence(KafkaError(code), "topic t")
    assert said.startswith("topic t: ")
    assert f"({KafkaError(code).name()}): " in said
    assert not said.endswith(": ")
    assert "KafkaError{" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "kafka-acls"),
        (KafkaError.INCONSISTENT_GROUP_PROTOCOL, "INTERESTFLOW_APP"),
        (KafkaError.FENCED_INSTANCE_ID, "INTERESTFLOW_GROUP_INSTANCE_ID"),
        (KafkaError.INVALID_SESSION_TIMEOUT, "INTERESTFLOW_SESSION_TIMEOUT_S"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "interestflow topics create"),
        (KafkaError._TRANSPORT, "INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS"),
        (KafkaError._TRANSPORT, "INTERESTFLOW_KAFKA_SECURITY_PROTOCOL"),
        (KafkaError._ALL_BROKERS_DOWN, "INTERESTFLOW_KAFKA_SECURITY_PROTOCOL"),
        (KafkaError._TIMED_OUT, "INTERESTFLOW_KAFKA_SECURITY_PROTOCOL"),
        (KafkaError._AUTHENTICATION, "INTERESTFLOW_KAFKA_SASL_PASSWORD"),
    ],
)
def test_what_a_person_can_put_right_names_how(code: int, words: str) -> None:
    assert words in sentence(KafkaException(KafkaError(code)))


def test_how_often_and_how_long_is_left_out() -> None:
    reason = "a:1/bootstrap: Connect to a:1 failed: refused"
    noise = " (after 0ms in state CONNECT, 1 identical error(s) suppressed)"
    said = sentence(KafkaError(KafkaError._TRANSPORT, reason + noise))
    assert said.startswith("a:1/bootstrap: Connect to a:1 failed: refused (_TRANSPORT): ")


def test_other_errors_say_what_they_say() -> None:
    assert describe(ValueError("no")) == "no"


def test_only_what_stays_is_final() -> None:
    assert is_final(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    assert not is_final(KafkaError(KafkaError._TRANSPORT))
    assert not is_final(None)


def test_what_crashed_the_stream_is_a_sentence_where_kafka_refused() -> None:
    plain = coordinator.plain(TopicAuthorizationFailedError("shop.raw"))
    assert isinstance(plain, GroupError)
    assert "shop.raw" in str(plain)
    bug = KeyError("x")
    assert coordinator.plain(bug) is bug


@pytest.mark.parametrize(
    ("error", "resource"),
    [
        (TopicAuthorizationFailedError({"b", "a"}), "reading a, b: "),
        (GroupAuthorizationFailedError("shop-g1"), "consumer group shop-g1: "),
    ],
)
def test_what_a_refusal_is_of_is_named_as_a_person_would(error: Exception, resource: str) -> None:
    assert str(coordinator.plain(error)).startswith(resource)
