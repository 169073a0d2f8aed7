"""Why Kafka did not take a record, as a sentence: the topic, the reason, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException

RESTART = "the worker begins again, with nothing lost, where it is started again"
ADVICE = {
    KafkaError.MSG_SIZE_TOO_LARGE: "raise its max.message.bytes, as `interestflow topics check` tells",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "grant the right Write on it",
    KafkaError.INVALID_RECORD: "compare its settings with `interestflow topics check`",
    KafkaError.POLICY_VIOLATION: "ask whoever runs the brokers which policy it breaks",
    KafkaError._UNKNOWN_TOPIC: "run `interestflow topics create`",
    KafkaError._UNKNOWN_PARTITION: "run `interestflow topics check`",
}
ADVICE_OF = {KafkaError(code).str(): advice for code, advice in ADVICE.items()}
# What librdkafka says when a refused record ends its producer, with the broker's reason where the guarantee of no
# gaps is all that was broken.
FATAL = re.compile(
    r"ProduceRequest for (?P<topic>\S+) \[(?P<partition>\d+)\] "
    r"with \d+ message\(s\) failed(: (?P<reason>.+) \(broker )?"
)
# What the records behind the one that was refused are told.
CONSEQUENCES = frozenset((KafkaError._FATAL, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT))


def says_nothing(error: KafkaError) -> bool:
    """True where a record failed only because another one did."""
    return error.code() in CONSEQUENCES


def ended_by_another(error: Exception) -> bool:
    """True where a record is not taken only because librdkafka's producer has ended, whose reason is another record."""
    return isinstance(error, KafkaException) and says_nothing(error.args[0])


def refusal(topic: str, partition: int, error: KafkaError) -> str:
    """The sentence for a record that was refused."""
    return _sentence(topic, partition, error.str())


def fatal(error: KafkaException) -> str | None:
    """The sentence for the record whose refusal ended librdkafka's producer, from what it said; None where no record
    did."""
    what = error.args[0]
    found = FATAL.match(what.str())
    if found is None:
        return None
    # Of the guarantee of no gaps the broker's reason is the cause; every other end is the broker's reason itself.
    broken = what.code() == KafkaError._GAPLESS_GUARANTEE and found["reason"]
    return _sentence(found["topic"], int(found["partition"]), broken or KafkaError(what.code()).str())


def _sentence(topic: str, partition: int, reason: str) -> str:
    advice = ADVICE_OF.get(reason, "look at the brokers' logs")
    return f"Kafka did not take a record of {topic} (partition {partition}): {reason}: {advice}; {RESTART}"


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
