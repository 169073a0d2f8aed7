"""Where to read the sources on: behind the group's committed offsets, where these are of the topic as it is now."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from streams.kafka.brokers import Brokers
from streams.kafka.log_bounds import Partition, log_ends, log_starts
from streams.kafka.topics.committed import Committed, committed
from streams.settings.sections.topics import TopicSettings
from streams.state.store import StateError
from streams.worker.sources.generations import ingested

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """seeks: offset by partition, where it is not the committed one. removed: unread and gone, as [begin, end)."""

    seeks: dict[Partition, int] = field(default_factory=dict)
    removed: dict[Partition, tuple[int, int]] = field(default_factory=dict)


def find(
    brokers: Brokers, topics: TopicSettings, sources: Collection[Partition], ids: Mapping[str, str]
) -> Found:
    """Where to read each of these partitions. ids: the topics' ids, as of now.

    Raises StateError where a topic has lost its end, KafkaException, ReadError.
    """
    found = Found()
    if not sources:
        return found
    own = committed(brokers.kafka, topics.group, sources)
    of_another = {
        partition for partition, said in own.items() if not said.speaks_of(ids.get(partition[0], ""))
    }
    for topic in sorted({topic for topic, _ in of_another}):
        log.warning("%s was made anew since it was read last: it is read from its beginning", topic)
    earlier = ingested(brokers.kafka, topics, sources, ids)
    begins, ends = log_starts(brokers.admin, sources), log_ends(brokers.admin, sources)
    for partition in sources:
        begin, end = begins[partition], ends[partition]
        known = partition in own and partition not in of_another
        expected = own[partition].offset if known else earlier.get(partition, 0)
        if expected > end:
            _refuse(partition, own.get(partition), expected, end)
            found.seeks[partition] = begin
        elif expected < begin:
            found.seeks[partition], found.removed[partition] = begin, (expected, begin)
        elif not known and partition in earlier.keys() | of_another:
            found.seeks[partition] = expected
    return found


def _refuse(partition: Partition, said: Committed | None, expected: int, end: int) -> None:
    """Raises StateError, unless nobody knows of which topic the offset is: then it may well have been made anew."""
    topic, number = partition
    if said is not None and said.topic_id:
        raise StateError(
            f"{topic}-{number} ends at offset {end}, but was read up to {expected}: the topic was truncated, and what "
            f"is written there now would be taken for what was read. Make the topic anew, and start the worker again"
        )
    log.warning(
        "%s-%d ends at offset %d, but was read up to %d: the topic was made anew or truncated; it is read from its "
        "beginning",
        *(topic, number, end, expected),
    )
