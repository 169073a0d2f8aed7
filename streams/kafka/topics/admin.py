"""The admin calls on topics that are used here, with errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.kafka.clients import make
from streams.kafka.reading import KNOWN_WITHIN_S, is_away
from streams.kafka.security import librdkafka_config
from streams.kafka.topics.rights import Lack, Need, lacking
from streams.ops.kafka_errors import is_final, sentence
from streams.settings.errors import UserError
from streams.settings.sections.kafka import KafkaSettings

TIMEOUT_S = 30.0
CREATED_DEADLINE_S = 30.0
POLL_S = 0.05
CONNECT_DEADLINE_S = 10.0
CONNECT_ATTEMPT_S = 1.0


class TopicError(UserError):
    """Topics cannot be asked for or made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must be like. config: Kafka's topic settings that differ from the broker's defaults."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def cleanup_policy(self) -> str:
        """`delete` (Kafka's default) or `compact`."""
        return self.config.get("cleanup.policy", "delete")


def wrong_setting(topic: str, key: str, found: str, wanted: str, kafka: KafkaSettings) -> str:
    """A sentence on one setting of a topic that exists, with the command that puts it right."""
    return (
        f"{topic} has {key}={found}, not {wanted}: run `kafka-configs.sh --bootstrap-server "
        f"{kafka.bootstrap_servers} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {key}={wanted}`"
    )


class TopicAdmin:
    """The admin calls used here; every failure becomes a TopicError that says what to do."""

    def __init__(self, kafka: KafkaSettings, client_id: str) -> None:
        """client_id: names us in the brokers' logs and quotas."""
        self._servers = kafka.bootstrap_servers
        self._last_error: KafkaError | None = None
        # The callback gets the reason of a refused connection; log_level 0 keeps it off the terminal.
        own: dict[str, Any] = {"error_cb": self._on_error, "log_level": 0}
        self._admin = make(AdminClient, {**librdkafka_config(kafka, client_id), **own})

    def _on_error(self, error: KafkaError) -> None:
        # `All brokers down` follows the errors that say why.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._last_error is None:
            self._last_error = error

    def topics(self) -> dict[str, Any]:
        """Metadata of every topic."""
        deadline = time.monotonic() + CONNECT_DEADLINE_S
        while True:
            try:
                found = self._admin.list_topics(timeout=CONNECT_ATTEMPT_S).topics
            except KafkaException as error:
                # The reason waits in the queue of the callback.
                self._admin.poll(0)
                if self._refused or time.monotonic() > deadline:
                    raise self._unreachable(error) from error
            else:
                return {name: topic for name, topic in found.items() if topic.error is None}

    @property
    def _refused(self) -> bool:
        """True where a retry cannot help."""
        return self._last_error is not None and is_final(self._last_error)

    def _unreachable(self, error: KafkaException) -> TopicError:
        reason = self._last_error or error.args[0]
        return TopicError(f"no connection to {sentence(reason, f'Kafka at {self._servers}')}")

    def known(self, topic: str, deadline_s: float = KNOWN_WITHIN_S) -> int | None:
        """Partition count of a topic, None where no broker knows it within the deadline: one may not know it yet."""
        give_up = time.monotonic() + deadline_s
        while (count := self.partitions().get(topic)) is None and time.monotonic() < give_up:
            time.sleep(POLL_S)
        return count

    def partitions(self) -> dict[str, int]:
        """Partition count of every topic."""
        return {name: len(topic.partitions) for name, topic in self.topics().items()}

    def lacking(self, wanted: list[Need]) -> list[Lack]:
        """The needs that are not met; a coordinator that is not ready yet is asked again."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return lacking(self._admin, wanted)
            except KafkaException as error:
                if not is_away(error) or time.monotonic() > deadline:
                    raise TopicError(
                        f"the brokers do not say {sentence(error, 'what may be done')}"
                    ) from error
            time.sleep(POLL_S)

    def configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Effective settings of topics."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        futures = self._admin.describe_configs(resources, request_timeout=TIMEOUT_S)
        try:
            return {
                resource.name: {key: entry.value for key, entry in future.result().items()}
                for resource, future in futures.items()
            }
        except KafkaException as error:
            raise TopicError(
                f"the brokers do not show {sentence(error, 'the settings of topics')}"
            ) from error

    def create(self, wanted: list[TopicSpec]) -> list[str]:
        """Create the missing topics; returns their names once all of `wanted` can be used."""
        there = self.topics()
        new = [
            NewTopic(s.name, s.partitions, s.replication_factor, config=dict(s.config))
            for s in wanted
            if s.name not in there
        ]
        created = []
        futures = self._admin.create_topics(new, request_timeout=TIMEOUT_S) if new else {}
        for name, future in futures.items():
            try:
                future.result()
            except KafkaException as error:
                # Another process created it meanwhile.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicError(f"cannot create {sentence(error, f'topic {name}')}") from error
            else:
                created.append(name)
        self._await([spec.name for spec in wanted])
        return created

    def _await(self, names: list[str]) -> None:
        """Return once every partition has a leader: a topic can be used a moment after it was made."""
        deadline = time.monotonic() + CREATED_DEADLINE_S
        while time.monotonic() < deadline:
            topics = self.topics()
            found = [topics[name] for name in names if name in topics]
            if len(found) == len(names) and all(p.leader >= 0 for t in found for p in t.partitions.values()):
                return
            time.sleep(POLL_S)
        raise TopicError(
            f"some topics have no leaders after {CREATED_DEADLINE_S:g} s: look at the brokers' logs"
        )
