"""The topics of a deployment: their specifications, how they are created, and how existing ones are checked.

Kafka's own topic settings are described at https://kafka.apache.org/documentation/#topicconfigs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.kafka.topics.admin import TopicAdmin, TopicError, TopicSpec, wrong_setting
from streams.kafka.topics.record_bounds import KAFKA_DEFAULT, Needs
from streams.kafka.topics.rights import DESCRIBE_CONFIGS, check_needs
from streams.settings.sections.kafka import KafkaSettings
from streams.settings.sections.topics import TopicSettings
from streams.settings.settings import Settings

__all__ = ["TopicError", "TopicSpec", "prefixed", "specs", "create", "check", "partition_count"]

MIB = 1_048_576

# A paused old owner of a partition may append older records after the new owner's; compaction must not remove
# the newer one before the new owner has seen it and written again, or a consumer could have compared the two.
# Longer than the longest pause of a worker.
MIN_COMPACTION_LAG_MS = 600_000
# Compaction leaves the newest segment alone: small segments bound what a restart has to read.
COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(128 * MIB)}
# Consumers and recoveries keep the newest record of a key, wherever it is in the log. With ARRIVAL, for the lag is to
# count from when a record came, not from when a paused worker made it.
ORDERED = {**COMPACTED, "min.compaction.lag.ms": str(MIN_COMPACTION_LAG_MS)}
# Events are old the moment they are loaded from history: retention counts from their arrival, and their own
# time, which may be wrong, is never the record's.
ARRIVAL = {"message.timestamp.type": "LogAppendTime"}
# The history from which a new generation is rebuilt; lower it where you may not keep it.
FOREVER = {"retention.ms": "-1"}
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


def prefixed(prefix: str) -> dict[str, str]:
    """Settings that give every topic of ours its default name behind a prefix: deployments that never meet."""
    defaults = Settings().flat().items()
    return {name: f"{prefix}{value}" for name, value in defaults if name.startswith("topic_")}


def specs(settings: Settings) -> list[TopicSpec]:
    """All topics that the settings name: sources first, state last."""
    needs, topics = Needs.of(settings), settings.topics
    rejected = {"cleanup.policy": "delete", "retention.ms": str(YEAR_MS)}
    configs = [(source.topic, {"cleanup.policy": "delete", **ARRIVAL}) for source in topics.raw_sources]
    configs += [
        (
            topics.canonical,
            {"cleanup.policy": "delete", **ARRIVAL, **FOREVER, **_taking(needs.events)},
        ),
        (topics.rejected, {**rejected, **_taking(needs.rejected)}),
        (topics.items, COMPACTED),
        (topics.embeddings, {**COMPACTED, **_taking(needs.embeddings)}),
        (topics.vectors, {**ORDERED, **ARRIVAL, **_taking(needs.vectors)}),
        (topics.recommendations, {**ORDERED, **ARRIVAL, **_taking(needs.recommendations)}),
    ]
    configs += [*_of_items(settings), (topics.state, {**ORDERED, **ARRIVAL, **_taking(needs.state)})]
    return [TopicSpec(name, topics.partitions, topics.replication_factor, config) for name, config in configs]


def _of_items(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """The topics by which the stream learns of items, where it does."""
    if not settings.recommendations.learn_items:
        return []
    topics, takes = settings.topics, _taking(KAFKA_DEFAULT)
    # Read within seconds; a day bounds how long workers may be away.
    signals = {"cleanup.policy": "delete", "retention.ms": str(DAY_MS)}
    return [
        (topics.learned, {**ORDERED, **ARRIVAL, **takes}),
        (topics.item_signals, {**signals, **ARRIVAL, **takes}),
        (topics.items_state, {**ORDERED, **ARRIVAL, **takes}),
    ]


def _taking(size: int) -> dict[str, str]:
    """The topic setting that lets records of so many bytes fit."""
    return {"max.message.bytes": str(size)}


def create(settings: Settings) -> list[str]:
    """Make the topics that are missing; returns their names. Those that exist are left as they are.

    The topics of a generation get as many partitions as the events topic has. Raises TopicError.
    """
    client, topics = TopicAdmin(settings.kafka, settings.topics.group), settings.topics
    wanted, own = specs(settings), {topics.state, topics.item_signals, topics.items_state}
    created = client.create([spec for spec in wanted if spec.name not in own])
    events = client.known(settings.topics.canonical)
    if events is None:
        raise TopicError(
            f"topic {settings.topics.canonical} was made, but the brokers do not show it: run this again"
        )
    return created + client.create([replace(spec, partitions=events) for spec in wanted if spec.name in own])


def check(settings: Settings) -> list[str]:
    """One sentence per topic that is missing or wrong and per right that a worker lacks, with what to do.

    Raises TopicError where the brokers cannot be asked.
    """
    client = TopicAdmin(settings.kafka, settings.topics.group)
    topics = client.topics()
    wanted = specs(settings)
    lacks = [lack for lack in client.lacking(check_needs(settings)) if not lack.missing]
    denied = {lack.need.name for lack in lacks if DESCRIBE_CONFIGS in lack.operations}
    shown = [spec for spec in wanted if spec.name in topics and spec.name not in denied]
    configs = client.configs([spec.name for spec in shown])
    problems = [lack.sentence(settings.kafka) for lack in lacks]
    # A topic that may not be described is not listed.
    hidden = {lack.need.name for lack in lacks}
    problems += [
        f"{spec.name} is missing: run `interestflow topics create`"
        for spec in wanted
        if spec.name not in topics.keys() | hidden
    ]
    raw = {source.topic for source in settings.topics.raw_sources}
    for spec in shown:
        if spec.name in raw:
            problems += _compacted(spec, configs[spec.name], settings.kafka)
            continue
        problems += _wrong_copies(spec, topics[spec.name].partitions, settings.kafka)
        problems += _wrong_config(spec, configs[spec.name], settings)
    return problems + _wrong_partitions(settings.topics, client.partitions())


def partition_count(settings: Settings, topic: str) -> int:
    """Partitions of a topic. Raises TopicError where there is no such topic."""
    count = TopicAdmin(settings.kafka, settings.topics.group).known(topic)
    if count is None:
        raise TopicError(f"topic {topic} does not exist: run `interestflow topics create`")
    return count


def _compacted(source: TopicSpec, config: Mapping[str, str], kafka: KafkaSettings) -> list[str]:
    """A source is the company's own: all that counts is that its events stay until they are read."""
    found = config["cleanup.policy"]
    if "compact" not in found.split(","):
        return []
    wrong = wrong_setting(source.name, "cleanup.policy", found, source.cleanup_policy, kafka)
    return [f"{wrong}; compaction removes all but the newest event of a key, read or not"]


def _wrong_copies(spec: TopicSpec, partitions: Mapping[int, Any], kafka: KafkaSettings) -> list[str]:
    copies = min(len(partition.replicas) for partition in partitions.values())
    if copies >= spec.replication_factor:
        return []
    return [
        f"{spec.name} has {copies} copies, not {spec.replication_factor}: raise them with "
        f"`kafka-reassign-partitions.sh --bootstrap-server {kafka.bootstrap_servers} "
        f"--reassignment-json-file FILE --execute`, or set INTERESTFLOW_REPLICATION_FACTOR={copies}"
    ]


def _wrong_config(spec: TopicSpec, config: Mapping[str, str], settings: Settings) -> list[str]:
    """The settings of a topic that would lose data; others are not checked."""
    wrong = {}
    if set(config["cleanup.policy"].split(",")) != {spec.cleanup_policy}:
        wrong["cleanup.policy"] = spec.cleanup_policy
    lag = spec.config.get("min.compaction.lag.ms", "0")
    if int(config["min.compaction.lag.ms"]) < int(lag):
        wrong["min.compaction.lag.ms"] = lag
    stamp = spec.config.get("message.timestamp.type", "CreateTime")
    # It bounds the times of events, and the lag of states counts from it.
    bounding = int(lag) or spec.name == settings.topics.canonical
    if bounding and config["message.timestamp.type"] != stamp:
        wrong["message.timestamp.type"] = stamp
    # We write nothing to a canonical topic that is the company's own.
    written = spec.name != settings.topics.canonical or settings.topics.raw_sources
    takes = spec.config.get("max.message.bytes", "0") if written else "0"
    if int(config["max.message.bytes"]) < int(takes):
        wrong["max.message.bytes"] = takes
    return [wrong_setting(spec.name, key, config[key], value, settings.kafka) for key, value in wrong.items()]


def _wrong_partitions(topics: TopicSettings, partitions: Mapping[str, int]) -> list[str]:
    create = f"Set INTERESTFLOW_GENERATION={topics.generation + 1} and run `interestflow topics create`"
    of_users = f"a user's state would lie elsewhere than its events. {create}; the state is rebuilt by replay"
    of_items = f"an item's state would lie elsewhere than what is said of it. {create}"
    pairs = ((topics.state, topics.canonical, of_users), (topics.items_state, topics.item_signals, of_items))
    return [
        f"{state} has {partitions[state]} partitions and {source} has {partitions[source]}: {lost}"
        for state, source, lost in pairs
        if partitions.keys() >= {state, source} and partitions[state] != partitions[source]
    ]
