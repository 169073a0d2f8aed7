"""Why Kafka did not take a record, as a sentence: the topic, the reason, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException

RESTART = "the worker begins again, with nothing lost, where it is started again"
# A topic that was made a moment ago may not be known to every broker.
MISSING_S = 30.0
ADVICE = {
    KafkaError.MSG_SIZE_TOO_LARGE: "raise its max.message.bytes, as `interestflow topics check` tells",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "grant the right Write on it",
    KafkaError.INVALID_RECORD: "compare its settings with `interestflow topics check`",
    KafkaError.POLICY_VIOLATION: "ask whoever runs the brokers which policy it breaks",
    KafkaError._UNKNOWN_TOPIC: "run `interestflow topics create`",
    KafkaError._UNKNOWN_PARTITION: "run `interestflow topics check`",
}
# What the records behind the one that was refused are told.
CONSEQUENCES = frozenset((KafkaError._FATAL, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT))


def says_nothing(error: KafkaError) -> bool:
    """True where a record failed only because another one did."""
    return error.code() in CONSEQUENCES


def ended_by_another(error: Exception) -> bool:
    """True where a record is not taken only because librdkafka's producer has ended, whose reason is another record."""
    return isinstance(error, KafkaException) and says_nothing(error.args[0])


def refusal(error: KafkaError, message: Any) -> str:
    """The sentence for a record that was refused."""
    where = f"{message.topic()} (partition {message.partition()})"
    advice = ADVICE.get(error.code(), "look at the brokers' logs")
    return f"Kafka did not take a record of {where}: {error.str()}: {advice}; {RESTART}"


def missing(topic: str) -> str:
    """The sentence for a topic that is not there."""
    return f"the topic {topic} does not exist: run `interestflow topics create`; {RESTART}"


def late(topics: Iterable[str], deadline_s: float) -> str:
    """The sentence for a broker that has not answered. topics: those of which records wait to be sent."""
    named = ", ".join(sorted(topics))
    record = f"a record of {named}" if named else "a record"
    return f"Kafka did not take {record} within {deadline_s:g} s: look at the brokers; {RESTART}"


def said(error: Exception) -> str:
    """Without the wrapping of the client's own errors."""
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(error)
