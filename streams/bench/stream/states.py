"""Synthetic states of many users: full rows, without folding millions of events."""

from __future__ import annotations

import numpy as np

from streams.bench.cluster import PARTITIONS
from streams.bench.stream import workload
from streams.events.records import Record
from streams.flow.flow import Flow
from streams.interest.base import Longs
from streams.settings.settings import Settings
from streams.state.bounded.eviction import Evictor
from streams.state.changelog import OutputProgress, TopicIdentity
from streams.state.deliveries import Deliveries
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow

# The source of the synthetic changelog.
SOURCE = TopicIdentity("bench.source", PARTITIONS)
BATCH = 4000
EPOCH = 0


def flow() -> Flow:
    """A flow as a worker has it, its catalog full."""
    made = build_flow(Settings(dimensions=workload.DIM, encoder="hashing"), workload.space())
    for number, vector in enumerate(workload.vectors()):
        made.catalog.put(workload.item_id(number), vector)
    return made


def records(load: workload.Workload) -> list[Record]:
    """The load's events as the flow reads them, all in partition 0."""
    return [Record(SOURCE.topic, 0, at, None, key, value, ()) for at, (key, value) in enumerate(load.records)]


def partition(
    number: int, users: int, consumed: int, layout: UserLayout, evictor: Evictor | None = None
) -> UserPartition:
    """So many users in one partition, taken in by batches as a worker does.

    consumed: items that each has consumed; they are kept outside the rows. evictor: bounds the users in memory.
    """
    part = UserPartition(number, layout)
    if evictor is not None:
        part.evicted, evictor.variable_parts = evictor, part.variable_parts
    fill(part, 0, users, consumed)
    return part


def fill(part: UserPartition, first: int, users: int, consumed: int) -> None:
    """Users number `first` up to `users` (exclusive) come."""
    for begin in range(first, users, BATCH):
        ids = [f"user-{part.partition}-{user:07d}" for user in range(begin, min(users, begin + BATCH))]
        rows = part.rows(ids)
        part.write_rows(rows, _rows(rows, part.layout))
        if consumed:
            _consume(part, rows, consumed)
        part.trim()
    part.processed_offset = users
    # As an owner leaves it: every output is delivered.
    part.deliveries = Deliveries(EPOCH, 0, OutputProgress(EPOCH, 0, 0), users)


def _rows(rows: Longs, layout: UserLayout) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """(n, size) bytes of states with a full history of random items."""
    rng = np.random.default_rng(int(rows[0]))
    made = np.zeros((len(rows), layout.size), dtype=np.uint8)
    states = layout.view(made)
    states["offset"], states["accepted"], states["applied"] = rows, layout.history, layout.history
    states["model"]["time"], states["model"]["signals"] = workload.T0, layout.history
    states["model"]["sums"] = rng.standard_normal(states["model"]["sums"].shape, dtype=np.float32)
    states["history"]["item"] = rng.integers(2**63, size=states["history"].shape)
    states["history"]["time"], states["history"]["weight"] = workload.T0, 1.0
    states["history"]["ordinal"] = np.arange(layout.history)
    return made


def _consume(part: UserPartition, rows: Longs, consumed: int) -> None:
    rng = np.random.default_rng([1, int(rows[0])])
    keys = rng.integers(2**63, size=(len(rows), consumed))
    for row, items in zip(rows.tolist(), keys.tolist(), strict=True):
        for item in items:
            part.consumed.add(row, item)
