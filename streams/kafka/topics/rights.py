"""The rights on topics and groups that a worker needs, and the ones that its log-in lacks.

The brokers report what a log-in may do (`include_authorized_operations`), so nothing has to be tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from streams.ops.kafka_errors import RIGHTS_ADVICE
from streams.settings.errors import UserError
from streams.settings.sections.kafka import KafkaSettings
from streams.settings.sections.topics import TopicSettings
from streams.settings.settings import Settings

Kind = Literal["topic", "group"]
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
DESCRIBE_CONFIGS = AclOperation.DESCRIBE_CONFIGS
TIMEOUT_S = 10.0
# A broker that has just started, or does not know a new topic yet, answers better a moment later.
PATIENCE_S = 5.0
PAUSE_S = 0.2
NOT_THERE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})


class RightsError(UserError):
    """A topic is missing, or a right on a topic or group; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Need:
    """Operations that a worker needs on a topic or a group. setting: the environment variable that names it."""

    kind: Kind
    name: str
    setting: str
    operations: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Lack:
    """The unmet part of a need: the topic itself where `missing`, else these operations."""

    need: Need
    operations: tuple[Any, ...]
    missing: bool = False

    def sentence(self, kafka: KafkaSettings) -> str:
        """The resource, what is missing, and what to do."""
        need = self.need
        if self.missing:
            return f"topic {need.name} does not exist: correct {need.setting}, or run `interestflow topics create`"
        rights = " and ".join(operation.name for operation in self.operations)
        return (
            f"{need.kind} {need.name} ({need.setting}): the log-in has no right to {rights}; remove what denies it, "
            f"and run `{command(kafka, need.kind, need.name, self.operations)}`"
        )


def command(kafka: KafkaSettings, kind: Kind, name: str, operations: Iterable[Any]) -> str:
    """The `kafka-acls.sh` call that gives the log-in these rights."""
    # As Kafka's tools spell them: DescribeConfigs.
    spelt = [operation.name.title().replace("_", "") for operation in operations]
    asked = " ".join(f"--operation {name}" for name in spelt)
    return (
        f"kafka-acls.sh --bootstrap-server {kafka.bootstrap_servers} --add "
        f"--allow-principal '{_principal(kafka)}' {asked} --{kind} '{name}'"
    )


def needs(settings: Settings) -> list[Need]:
    """All that a worker does with topics and groups."""
    topics = settings.topics
    found = [Need("topic", source.topic, "INTERESTFLOW_SOURCES", (READ,)) for source in topics.raw_sources]
    own = topics.canonical == topics.events
    written = (READ, WRITE) if topics.raw_sources else (READ,)
    found += [
        Need(
            "topic",
            topics.canonical,
            "INTERESTFLOW_TOPIC_EVENTS" if own else "INTERESTFLOW_SOURCES",
            written,
        ),
        Need("topic", topics.rejected, "INTERESTFLOW_TOPIC_REJECTED", (WRITE,)),
        Need("topic", topics.items, "INTERESTFLOW_TOPIC_ITEMS", (READ,)),
        Need("topic", topics.embeddings, "INTERESTFLOW_TOPIC_EMBEDDINGS", (READ, WRITE)),
        Need("topic", topics.vectors, "INTERESTFLOW_TOPIC_VECTORS", (WRITE,)),
        Need("topic", topics.state, "INTERESTFLOW_APP", (READ, WRITE)),
    ]
    if settings.recommendations.enabled:
        found.append(Need("topic", topics.recommendations, "INTERESTFLOW_TOPIC_RECOMMENDATIONS", (WRITE,)))
    if settings.recommendations.learn_items:
        found += _item_needs(topics)
    return found + _group_needs(topics)


def _item_needs(topics: TopicSettings) -> list[Need]:
    """The topics by which a worker learns of items."""
    both = (READ, WRITE)
    return [
        Need("topic", topics.learned, "INTERESTFLOW_TOPIC_LEARNED", both),
        Need("topic", topics.item_signals, "INTERESTFLOW_APP", both),
        Need("topic", topics.items_state, "INTERESTFLOW_APP", both),
    ]


def _group_needs(topics: TopicSettings) -> list[Need]:
    """Its own group, and those of earlier generations, whose offsets are read."""
    found = [Need("group", topics.group, "INTERESTFLOW_APP", (READ,))]
    for number in range(1, topics.generation):
        earlier = topics.model_copy(update={"generation": number})
        found.append(Need("group", earlier.group, "INTERESTFLOW_APP", (DESCRIBE,)))
    return found


def check_needs(settings: Settings) -> list[Need]:
    """The needs of a worker and of `interestflow topics check`, which reads the settings of all topics."""
    return [
        replace(need, operations=(*need.operations, DESCRIBE_CONFIGS)) if need.kind == "topic" else need
        for need in needs(settings)
    ]


def lacking(admin: AdminClient, wanted: Iterable[Need]) -> list[Lack]:
    """The needs that are not met now. Raises KafkaException where the brokers cannot be asked."""
    topics = {need.name: need for need in wanted if need.kind == "topic"}
    groups = {need.name: need for need in wanted if need.kind == "group"}
    asked: dict[str, Any] = {"include_authorized_operations": True, "request_timeout": TIMEOUT_S}
    answers: list[tuple[Need, Any]] = []
    if topics:
        futures = admin.describe_topics(TopicCollection(list(topics)), **asked)
        answers += [(topics[name], future) for name, future in futures.items()]
    if groups:
        futures = admin.describe_consumer_groups(list(groups), **asked)
        answers += [(groups[name], future) for name, future in futures.items()]
    return [lack for need, answer in answers if (lack := _compare(need, answer)) is not None]


def watch(admin: AdminClient, settings: Settings) -> None:
    """Like `require`, for the topics alone; made to be called again and again.

    The group's coordinator reports a lost right on the group by itself. To ask it with the admin client would crash
    the process if the coordinator went away meanwhile (confluentinc/librdkafka#4605). First a call with a timeout
    checks that the brokers answer at all.
    """
    admin.list_topics(settings.topics.canonical, timeout=TIMEOUT_S)
    require(admin, settings, kinds=("topic",))


def require(
    admin: AdminClient,
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    patience_s: float = PATIENCE_S,
    kinds: Collection[str] = ("topic", "group"),
) -> None:
    """Return once every topic is there with every right that a worker needs. kinds: of the resources.

    clock: monotonic seconds. Raises RightsError where something is still missing after `patience_s` seconds, and
    KafkaException where the brokers cannot be asked.
    """
    wanted, began = [need for need in needs(settings) if need.kind in kinds], clock()
    while found := lacking(admin, wanted):
        if clock() - began >= patience_s:
            raise RightsError("; ".join(lack.sentence(settings.kafka) for lack in found))
        time.sleep(PAUSE_S)


def _compare(need: Need, answer: Any) -> Lack | None:
    try:
        allowed = answer.result(2 * TIMEOUT_S).authorized_operations
    except KafkaException as error:
        code = error.args[0].code()
        if need.kind == "topic" and code in NOT_THERE:
            return Lack(need, need.operations, missing=True)
        if code in RIGHTS_ADVICE:
            # Without the right to describe it, the other rights are not reported; each of them implies that one.
            return Lack(need, need.operations)
        raise
    # A broker without an authorizer allows everything, and says so.
    left = tuple(one for one in need.operations if allowed is not None and one not in allowed)
    return Lack(need, left) if left else None


def _principal(kafka: KafkaSettings) -> str:
    if kafka.sasl_username is not None:
        return f"User:{kafka.sasl_username}"
    return "User:ANONYMOUS" if kafka.security_protocol == "PLAINTEXT" else "User:NAME"
