"""What the brokers report of topics and of the group, beside the records."""

from __future__ import annotations

from collections.abc import Collection

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.kafka.reading import ReadError
from streams.kafka.topics.admin import TopicAdmin, TopicError
from streams.kafka.topics.ids import from_metadata
from streams.settings.settings import Settings

TIMEOUT_S = 30.0


def committed(
    admin: AdminClient, group: str, topics: Collection[str], ids: dict[str, str]
) -> dict[tuple[str, int], int]:
    """Offsets that the group has committed in these topics, by topic and partition. Raises ReadError.

    ids: of the topics now; offsets committed in an earlier topic of that name do not count.
    """
    try:
        (answer,) = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S
        ).values()
        found: list[TopicPartition] = answer.result(TIMEOUT_S).topic_partitions
    except KafkaException as error:
        raise ReadError(
            f"cannot ask the brokers for the offsets of the group {group}, which needs the right DESCRIBE on it: "
            f"{error}"
        ) from error
    return {
        (one.topic, one.partition): one.offset
        for one in found
        if one.topic in topics and one.offset >= 0 and from_metadata(one) in ("", ids.get(one.topic, ""))
    }


def compacted(settings: Settings, topics: Collection[str]) -> tuple[set[str], list[str]]:
    """Those of the topics that are compacted; and a note where the brokers do not say so."""
    try:
        configs = TopicAdmin(settings).configs(topics)
    except TopicError as error:
        return set(topics), [
            f"whether {', '.join(sorted(topics))} are compacted is not known, so records that the books hold and "
            f"these topics do not are not looked for: {error}"
        ]
    return {topic for topic, config in configs.items() if "compact" in config["cleanup.policy"]}, []
