"""Kafka's errors as sentences: what went wrong with which resource, Kafka's name of it, and what to do."""

from __future__ import annotations

import re
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from streams.settings.errors import UserError

LOG_IN = (
    "check INTERESTFLOW_KAFKA_SASL_USERNAME, INTERESTFLOW_KAFKA_SASL_PASSWORD and INTERESTFLOW_KAFKA_SASL_MECHANISM, "
    "or what begins with INTERESTFLOW_KAFKA_OAUTH_"
)
TLS = "check INTERESTFLOW_KAFKA_SECURITY_PROTOCOL and INTERESTFLOW_KAFKA_SSL_CA_FILE"
# A broker of another protocol answers nothing, or hangs up, as one does that is not there.
UNREACHED = "correct INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS or INTERESTFLOW_KAFKA_SECURITY_PROTOCOL"
START = f"start the local one with `interestflow kafka start`, or {UNREACHED}"
RIGHT = "allow it; `interestflow topics check` names each missing right with its `kafka-acls` command"
GROUP = "set INTERESTFLOW_APP to a name that no other application uses"
SIZE = "raise max.message.bytes of the topic, as `interestflow topics check` says"
REPLICAS = "look which brokers are down, or lower min.insync.replicas of the topic"
NO_TOPIC = "correct the setting that names it, or run `interestflow topics create`"

# Errors that do not pass by themselves: log-in and TLS, rights, and refusals by a group.
LOGIN_ADVICE = {
    KafkaError._AUTHENTICATION: LOG_IN,
    KafkaError.SASL_AUTHENTICATION_FAILED: LOG_IN,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: LOG_IN,
    KafkaError._SSL: TLS,
}
RIGHTS_ADVICE = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHT,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHT,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHT,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: RIGHT,
}
GROUP_ADVICE = {
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: f"another application uses this consumer group: {GROUP}",
    KafkaError.INVALID_GROUP_ID: GROUP,
    KafkaError.INVALID_SESSION_TIMEOUT: "set INTERESTFLOW_SESSION_TIMEOUT_S between group.min.session.timeout.ms and "
    "group.max.session.timeout.ms of the brokers",
    KafkaError.FENCED_INSTANCE_ID: "another worker has the same INTERESTFLOW_GROUP_INSTANCE_ID: give each its own",
    KafkaError.GROUP_MAX_SIZE_REACHED: "raise group.max.size of the brokers, or run fewer workers",
}
FINAL = frozenset({*LOGIN_ADVICE, *RIGHTS_ADVICE, *GROUP_ADVICE})
_ADVICE = {
    **LOGIN_ADVICE,
    **RIGHTS_ADVICE,
    **GROUP_ADVICE,
    KafkaError._ALL_BROKERS_DOWN: START,
    KafkaError._TRANSPORT: START,
    KafkaError._RESOLVE: "correct the host in INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS, or advertised.listeners there",
    KafkaError._TIMED_OUT: f"look whether the brokers run and answer, or {UNREACHED}",
    KafkaError.REQUEST_TIMED_OUT: "look whether the brokers run and answer",
    KafkaError._MSG_TIMED_OUT: "look whether the brokers run and the topic has leaders",
    KafkaError.UNKNOWN_TOPIC_OR_PART: NO_TOPIC,
    KafkaError._UNKNOWN_TOPIC: NO_TOPIC,
    KafkaError._UNKNOWN_PARTITION: NO_TOPIC,
    KafkaError.TOPIC_EXCEPTION: "Kafka takes up to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-' as a name",
    KafkaError.MSG_SIZE_TOO_LARGE: SIZE,
    KafkaError.RECORD_LIST_TOO_LARGE: SIZE,
    KafkaError.NOT_ENOUGH_REPLICAS: REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: REPLICAS,
    KafkaError.INVALID_REPLICATION_FACTOR: "set INTERESTFLOW_REPLICATION_FACTOR to no more than the number of brokers",
    KafkaError._INVALID_ARG: "look at the settings that begin with INTERESTFLOW_KAFKA_",
}
# librdkafka's suffix: time in a state, and the number of lines that it suppressed.
_NOISE = re.compile(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)")
_ELSE = "look at the brokers' logs"


class GroupError(UserError):
    """The consumer group cannot be joined, or what it reads is refused; the message names it and what to do."""


def error_of(error: KafkaError | KafkaException) -> KafkaError:
    """The Kafka error that an exception carries."""
    return error.args[0] if isinstance(error, KafkaException) else error


def sentence(error: KafkaError | KafkaException, resource: str = "") -> str:
    """What happened to the resource (`topic shop.raw`, `group shop-g1`), Kafka's name of it, and what to do."""
    found = error_of(error)
    said = _NOISE.sub("", found.str()).rstrip(". ")
    said = said.replace("Broker: ", "").replace("Local: ", "")
    where = f"{resource}: " if resource else ""
    return f"{where}{said} ({found.name()}): {_ADVICE.get(found.code(), _ELSE)}"


def describe(error: BaseException) -> str:
    """The message of any error; for Kafka's errors, which are tuples of codes, the sentence."""
    return sentence(error) if isinstance(error, KafkaException) else str(error)


def by_code(code: int) -> KafkaError:
    """The error class of an error code, for clients (aiokafka) that report only the number."""
    return KafkaError(code)


def is_final(error: Any) -> bool:
    """True where a retry cannot help: a failed log-in, a missing right, or a refusal by the group."""
    return isinstance(error, KafkaError | KafkaException) and error_of(error).code() in FINAL
