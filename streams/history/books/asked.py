"""What the brokers report of topics and of the group, beside the records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaException

from streams.kafka.log_bounds import Partition
from streams.kafka.reading import ReadError
from streams.kafka.topics.admin import TopicAdmin, TopicError
from streams.kafka.topics.committed import committed_offsets
from streams.ops.kafka_errors import sentence


def read_so_far(
    config: Mapping[str, Any],
    group: str,
    metadata: Mapping[str, Any],
    topics: Collection[str],
    ids: Mapping[str, str],
) -> dict[Partition, int]:
    """What the group has committed of these topics, by topic and partition. Raises ReadError.

    config: librdkafka's properties. metadata: of every topic. ids: the topics' ids as of now; what was committed of an
    earlier topic of the name does not count.
    """
    partitions = [
        (topic, number) for topic in topics if topic in metadata for number in metadata[topic].partitions
    ]
    try:
        return committed_offsets(config, group, partitions, ids)
    except KafkaException as error:
        raise ReadError(sentence(error.args[0], f"the offsets of the consumer group {group}")) from error


def compacted(admin: TopicAdmin, topics: Collection[str]) -> tuple[set[str], list[str]]:
    """Those of the topics that are compacted; and a note where the brokers do not say so."""
    try:
        configs = admin.configs(topics)
    except TopicError as error:
        return set(topics), [
            f"whether {', '.join(sorted(topics))} are compacted is not known, so records that the books hold and "
            f"these topics do not are not looked for: {error}"
        ]
    return {topic for topic, config in configs.items() if "compact" in config["cleanup.policy"]}, []
