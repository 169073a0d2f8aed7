"""Where a new generation goes on with the sources: what an earlier one has ingested is canonical already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.reading import ends_of
from streams.settings import Settings

Offsets = dict[tuple[str, int], int]
TIMEOUT_S = 30.0


def ingested(
    admin: AdminClient, config: Mapping[str, Any], settings: Settings, sources: Collection[tuple[str, int]]
) -> Offsets:
    """Offset behind what the newest of the earlier generations has ingested, of those of these partitions (topic,
    number) that this generation has committed nothing of.

    An earlier generation counts only while the canonical topic still holds what it has applied: of one that was
    made anew since, the sources are the history. Raises KafkaException, ReadError.
    """
    if settings.generation == 1:
        return {}
    found: Offsets = {}
    left = set(sources) - _committed(admin, settings.group, sources).keys()
    ends = ends_of(config, settings.events_topic) if left else {}
    for number in range(settings.generation - 1, 0, -1):
        if not left:
            break
        earlier = settings.model_copy(update={"generation": number})
        applied = _committed(admin, earlier.group, {(settings.events_topic, p) for p in ends})
        begun = _committed(admin, earlier.group, left)
        if applied and all(offset <= ends[partition] for (_, partition), offset in applied.items()):
            found |= begun
        left -= begun.keys()
    return found


def _committed(admin: AdminClient, group: str, partitions: Collection[tuple[str, int]]) -> Offsets:
    if not partitions:
        return {}
    asked = [TopicPartition(topic, partition) for topic, partition in sorted(partitions)]
    (answer,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, asked)], request_timeout=TIMEOUT_S
    ).values()
    told = answer.result(TIMEOUT_S).topic_partitions
    return {(one.topic, one.partition): one.offset for one in told if one.offset >= 0}
