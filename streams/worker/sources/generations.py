"""Where a new generation begins to read the sources: behind what an earlier generation has ingested."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from streams.kafka.clients import close_later, make
from streams.kafka.log_bounds import Partition
from streams.kafka.reading import ends_of
from streams.kafka.topics.ids import from_metadata
from streams.ops.log_lines import untold
from streams.settings.settings import Settings

TIMEOUT_S = 30.0


class Committed(NamedTuple):
    """What a group has committed. topic_id: of which topic of the name; empty where it did not say."""

    offset: int
    topic_id: str

    def speaks_of(self, topic_id: str) -> bool:
        """False where the topic of this id is another one."""
        return not self.topic_id or not topic_id or self.topic_id == topic_id


def ingested(
    config: Mapping[str, Any],
    settings: Settings,
    sources: Collection[Partition],
    ids: Mapping[str, str],
) -> dict[Partition, int]:
    """Offset behind what the newest of the earlier generations has ingested, of those of these partitions (topic,
    number) that this generation has committed nothing of.

    An earlier generation counts only while the canonical topic still holds what it has applied: of one that was
    made anew since, the sources are the history. ids: the topics' ids, as of now; offsets of others do not count.
    Raises KafkaException, ReadError.
    """
    if settings.generation == 1:
        return {}
    found: dict[Partition, int] = {}
    left = set(sources) - _committed(config, settings.group, sources, ids).keys()
    ends = ends_of(config, settings.events_topic) if left else {}
    for number in range(settings.generation - 1, 0, -1):
        if not left:
            break
        earlier = settings.model_copy(update={"generation": number})
        applied = _committed(config, earlier.group, {(settings.events_topic, p) for p in ends}, ids)
        begun = _committed(config, earlier.group, left, ids)
        if applied and all(offset <= ends[partition] for (_, partition), offset in applied.items()):
            found |= begun
        left -= begun.keys()
    return found


def _committed(
    config: Mapping[str, Any], group: str, partitions: Collection[Partition], ids: Mapping[str, str]
) -> dict[Partition, int]:
    found = committed(config, group, partitions)
    return {one: said.offset for one, said in found.items() if said.speaks_of(ids.get(one[0], ""))}


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
    consumer = make(Consumer, {**untold(config), "group.id": group, "enable.auto.commit": False})
    try:
        told = consumer.committed(asked, timeout=TIMEOUT_S)
    finally:
        close_later(consumer)
    return {
        (one.topic, one.partition): Committed(one.offset, from_metadata(one))
        for one in told
        if one.offset >= 0 and one.error is None
    }
