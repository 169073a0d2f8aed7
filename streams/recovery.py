"""From the changelog back to the state: bulk read, newest record per user, seek behind the watermark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streams.reading import Reader
from streams.store import Layout, Newest, PartitionState, StateError


def recover(
    config: Mapping[str, Any],
    topic: str,
    partitions: Sequence[int],
    layout: Layout,
    source: str,
    source_partitions: int,
    deadline_s: float,
    progress: Callable[[int], None] = lambda users: None,
) -> dict[int, PartitionState]:
    """States of these partitions as their changelog says.

    source, source_partitions: the canonical topic, which must be the one that the state was built from.
    progress: called with the users found so far. Raises StateError, or ReadError after the deadline.
    """
    if not partitions:
        return {}
    newest: dict[int, Newest] = defaultdict(Newest)
    reader = Reader(config, topic, list(partitions))
    try:
        for messages in reader.to_end(deadline_s):
            by_partition = defaultdict(list)
            for message in messages:
                by_partition[message.partition()].append((message.key(), message.value()))
            for partition, records in by_partition.items():
                newest[partition].add(records)
            progress(sum(len(found.latest) for found in newest.values()))
    finally:
        reader.close()
    states = {}
    for partition in partitions:
        state = PartitionState(partition, layout)
        state.restore(newest[partition].latest, source, source_partitions)
        states[partition] = state
    return states


def positions(config: Mapping[str, Any], source: str, states: Mapping[int, PartitionState]) -> dict[int, int]:
    """Offset to read each partition of the canonical topic from. Raises StateError where offsets lie."""
    if not states:
        return {}
    reader = Reader(config, source, list(states))
    try:
        bounds = reader.bounds()
    finally:
        reader.close()
    found = {}
    for partition, state in states.items():
        begin, end = bounds[partition]
        wanted = state.watermark + 1
        if wanted > end:
            raise StateError(
                f"{source}-{partition} ends at offset {end}, but the state has applied up to {state.watermark}: the "
                f"topic was recreated or truncated. Raise INTERESTFLOW_GENERATION, run `interestflow topics "
                f"create` and let the worker replay"
            )
        found[partition] = max(begin, wanted)
    return found
