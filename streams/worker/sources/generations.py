"""Where a new generation begins to read the sources: behind what an earlier generation has ingested."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from streams.kafka.log_bounds import Partition
from streams.kafka.reading import ends_of
from streams.kafka.topics.committed import committed_offsets
from streams.settings.sections.topics import TopicSettings


def ingested(
    config: Mapping[str, Any],
    topics: TopicSettings,
    sources: Collection[Partition],
    ids: Mapping[str, str],
) -> dict[Partition, int]:
    """Offset behind what the newest of the earlier generations has ingested, of those of these partitions (topic,
    number) that this generation has committed nothing of.

    An earlier generation counts only while the canonical topic still holds what it has applied: of one that was
    made anew since, the sources are the history. ids: the topics' ids, as of now; offsets of others do not count.
    Raises KafkaException, ReadError.
    """
    if topics.generation == 1:
        return {}
    found: dict[Partition, int] = {}
    left = set(sources) - committed_offsets(config, topics.group, sources, ids).keys()
    ends = ends_of(config, topics.canonical) if left else {}
    for number in range(topics.generation - 1, 0, -1):
        if not left:
            break
        earlier = topics.model_copy(update={"generation": number})
        applied = committed_offsets(config, earlier.group, {(topics.canonical, p) for p in ends}, ids)
        begun = committed_offsets(config, earlier.group, left, ids)
        if applied and all(offset <= ends[partition] for (_, partition), offset in applied.items()):
            found |= begun
        left -= begun.keys()
    return found
