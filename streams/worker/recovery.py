"""From the changelog back to the state: bulk read, newest record per key, seek behind the processed offset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from streams.kafka.log_bounds import log_ends, log_starts
from streams.kafka.reading import Reader, partition_ids
from streams.kafka.topics.ids import known_ids
from streams.state.bounded.eviction import Evictor
from streams.state.changelog import TopicIdentity
from streams.state.restore import Restoring
from streams.state.snapshots.snapshot import Snapshot
from streams.state.store import PartitionState, StateError

P = TypeVar("P", bound=PartitionState)

# First offset and end offset (one past the last) by partition.
Bounds = Mapping[int, tuple[int, int]]
# Rows for which room is made beforehand, at most; beyond, arenas double as they fill.
MOST_RESERVED = 1 << 18


def topic_identity(admin: AdminClient, topic: str) -> TopicIdentity:
    """The canonical topic as it is now. Raises ReadError where there is none."""
    partitions = partition_ids(admin, topic)
    return TopicIdentity(topic, len(partitions), known_ids(admin, [topic])[topic])


def check_changelog(admin: AdminClient, topic: str, source: TopicIdentity) -> None:
    """Raises StateError where the changelog has other partitions than the canonical topic, ReadError without one."""
    found = len(partition_ids(admin, topic))
    if found != source.partitions:
        raise StateError(
            f"{source.topic} has {source.partitions} partitions, but its state topic {topic} has {found}: users "
            f"have moved between partitions. Raise INTERESTFLOW_GENERATION, run `interestflow topics create` and "
            f"let the worker replay"
        )


@dataclass(frozen=True, slots=True)
class Changelog:
    """Where states are read back from.

    config: librdkafka properties. source: the canonical topic, which must be the one that the states were built from.
    deadline_s: how long to read, at most.
    """

    config: Mapping[str, Any]
    topic: str
    source: TopicIdentity
    deadline_s: float


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """What a recovery can be given beside its changelog.

    progress: called with the number of keys found so far.
    evictor: gives each partition what bounds its rows in memory, if anything.
    start: gives snapshots by partition, for the bounds of its changelog; what lies behind them is read.
    """

    progress: Callable[[int], None] = lambda keys: None
    evictor: Callable[[], Evictor | None] = lambda: None
    start: Callable[[Bounds], Mapping[int, Snapshot]] = lambda bounds: {}


def recover(
    changelog: Changelog,
    epochs: Mapping[int, int],
    empty: Callable[[int], P],
    options: RecoveryOptions | None = None,
) -> dict[int, P]:
    """States of the partitions as their changelog says. Raises StateError, or ReadError after the deadline.

    epochs: by partition, the changelog offset of the record by which it was taken over; behind it nobody else may
    write. empty: gives a partition's state to fill.
    """
    if not epochs:
        return {}
    options = options or RecoveryOptions()
    restoring = {partition: Restoring(empty(partition), options.evictor()) for partition in epochs}
    reader = Reader(changelog.config, changelog.topic, list(epochs))
    try:
        bounds = reader.bounds()
        for partition, (begin, end) in bounds.items():
            # At least one record per key was written, so there are no more keys than that.
            restoring[partition].reserve(min(end - begin, MOST_RESERVED))
        begun = options.start(bounds)
        for partition, snapshot in begun.items():
            restoring[partition].fill(snapshot)
        reader.start_at({partition: snapshot.offset for partition, snapshot in begun.items()})
        for messages in reader.to_end(changelog.deadline_s):
            # They come in runs of one partition.
            for partition, run in groupby(messages, Message.partition):
                found = list(run)
                restoring[partition].add(
                    [m.key() for m in found], [m.value() for m in found], [m.offset() for m in found]
                )
            options.progress(sum(map(len, restoring.values())))
    finally:
        reader.close()
    return {p: found.state(changelog.source, epochs[p]) for p, found in restoring.items()}


@dataclass(frozen=True, slots=True)
class Positions:
    """Of partitions of the canonical topic. starts: offset to read from. begins: first offset that is still there."""

    starts: dict[int, int]
    begins: dict[int, int]


def positions(admin: AdminClient, source: str, states: Mapping[int, PartitionState]) -> Positions:
    """Where to read on. Raises StateError where offsets lie, KafkaException.

    What may not have been rejected for good is read again, not to be folded but for its rejections.
    """
    asked = [(source, partition) for partition in states]
    begins, ends = log_starts(admin, asked), log_ends(admin, asked)
    starts = {}
    for partition, state in states.items():
        begin, end = begins[source, partition], ends[source, partition]
        if state.processed_offset + 1 > end:
            raise StateError(
                f"{source}-{partition} ends at offset {end}, but the state has applied up to "
                f"{state.processed_offset}: the "
                f"topic was recreated or truncated. Raise INTERESTFLOW_GENERATION, run `interestflow topics "
                f"create` and let the worker replay"
            )
        starts[partition] = max(begin, state.resume_offset)
    return Positions(starts, {partition: begins[source, partition] for partition in states})
