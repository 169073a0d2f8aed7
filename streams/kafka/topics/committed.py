"""How far a consumer group has read topics, and which topics of these names they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.kafka.clients import close_later, make
from streams.kafka.log_bounds import Partition
from streams.kafka.topics.ids import UNKNOWN
from streams.ops.log_lines import without_log

TIMEOUT_S = 30.0

# confluent-kafka (2.9) reads the metadata of a committed offset as a C string, but librdkafka does not terminate it:
# it returns what lies behind it in memory, too, or fails where that is no UTF-8. So our metadata brings its own end.
METADATA_END = "\0"


def to_metadata(topic_id: str) -> str:
    """The metadata committed with an offset, which names the topic's id."""
    return topic_id + METADATA_END if topic_id else ""


def from_metadata(committed: TopicPartition) -> str:
    """The id that `to_metadata` was given; UNKNOWN where somebody else committed."""
    try:
        return (committed.metadata or UNKNOWN).partition(METADATA_END)[0]
    except UnicodeDecodeError:
        return UNKNOWN


class Committed(NamedTuple):
    """What a group has committed. topic_id: of which topic of the name; empty where it did not say."""

    offset: int
    topic_id: str

    def speaks_of(self, topic_id: str) -> bool:
        """False where the topic of this id is another one."""
        return not self.topic_id or not topic_id or self.topic_id == topic_id


def committed(
    config: Mapping[str, Any], group: str, partitions: Collection[Partition]
) -> dict[Partition, Committed]:
    """What the group has committed of those of the partitions of which it has. Raises KafkaException.

    Asked by a consumer that joins no group. The admin client's question to a group's coordinator ends the process where
    the coordinator goes away meanwhile (confluentinc/librdkafka#4605).
    """
    if not partitions:
        return {}
    asked = [TopicPartition(topic, partition) for topic, partition in sorted(partitions)]
    consumer = make(Consumer, {**without_log(config), "group.id": group, "enable.auto.commit": False})
    try:
        told = consumer.committed(asked, timeout=TIMEOUT_S)
    finally:
        close_later(consumer)
    for one in told:
        if one.error is not None:
            raise KafkaException(one.error)
    return {
        (one.topic, one.partition): Committed(one.offset, from_metadata(one))
        for one in told
        if one.offset >= 0
    }


def committed_offsets(
    config: Mapping[str, Any], group: str, partitions: Collection[Partition], ids: Mapping[str, str]
) -> dict[Partition, int]:
    """The same as offsets, of the topics as they are. ids: the topics' ids; offsets of others do not count."""
    found = committed(config, group, partitions)
    return {one: said.offset for one, said in found.items() if said.speaks_of(ids.get(one[0], ""))}
