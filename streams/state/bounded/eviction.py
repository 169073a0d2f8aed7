"""Which rows leave memory where it is bounded, and how they come back.

The least recently active leave, by the offset of their last event. They go to a local file (see `spill_file`) in the
form of a changelog record, between two batches. They come back on the model thread with the first batch that names
their key, before it is folded: states and outputs are those of an unbounded memory, bit for bit.

Pinned rows stay, even where they are more than the bound: the owner of the rows says which (see
`PartitionState.may_leave` and `VariableParts.pinned`). The keys of a batch are all in memory until it is done.

Undelivered changes pin no row: the file is a part of this process's memory, no other process reads it, and the
first failed delivery ends the process. A recovery begins with an empty file and reads the changelog alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from streams.interest.base import Longs, States
from streams.state.changelog import OutputProgress
from streams.state.store import PartitionState

# Rows evicted at a time beyond the excess, so that not every batch has to look for some.
SLACK = 1_000
# Rows evicted at a time because others were pinned before: too few to delay a batch.
CATCH_UP = 4_000
# The coldest rows are looked for in an even sample of all rows: so many times the rows to evict, and at least LEAST,
# or all. Where most of a sample are pinned, later batches reach the bound with other samples.
SAMPLE = 4
LEAST = 10_000


class File(Protocol):
    """Values by partition and key; a later value replaces the one before."""

    def put(self, partition: int, values: Mapping[str, bytes]) -> None:
        """Write values by key."""
        ...

    def get(self, partition: int, keys: list[str]) -> list[bytes | None]:
        """The value of each key, None where there never was one."""
        ...

    def values(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All keys of a partition, with their values."""
        ...


class MovableTails(Protocol):
    """What an evictor needs of variable parts; `VariableParts` and `PackedVariableParts` have it."""

    def pinned(self, row: int) -> bool: ...
    def pop_packed(self, row: int) -> bytes: ...
    def load(self, packed: Mapping[int, bytes]) -> None: ...


class Evictor:
    """Keeps one partition's rows in memory to a bound."""

    def __init__(self, file: File, most: int) -> None:
        """most: rows in memory between two batches, beside pinned ones."""
        self.file, self.most = file, most
        self.variable_parts: MovableTails
        # Keys in the file and not in memory. A key that came back leaves a value in the file that is not read again.
        self.count = 0
        self.evictions = self.returns = 0
        # Of the rows evicted so far, by the epoch of their last change: its highest number, and the highest offset of
        # their records.
        self._epochs: dict[int, tuple[int, int]] = {}
        # True once a row was evicted with an older record behind its own.
        self._stale = False
        # Keys that came into memory since the last eviction.
        self._entered = 0
        # Number of the sample.
        self._turn = 0

    def bring_back(self, part: PartitionState, keys: list[str], rows: Longs) -> None:
        """Restore those of the keys (n,) that were evicted into their new rows (n,)."""
        self._entered += len(keys)
        if not self.count:
            return
        found = self.file.get(part.partition, keys)
        here = [(row, value) for row, value in zip(rows.tolist(), found, strict=True) if value is not None]
        if not here:
            return
        size = part.layout.size
        payload = b"".join([memoryview(value)[:size] for _, value in here])
        back = np.array([row for row, _ in here], dtype=np.int64)
        part.write_rows(back, np.frombuffer(payload, dtype=np.uint8).reshape(-1, size))
        self.variable_parts.load({row: value[size:] for row, value in here if len(value) > size})
        self.count -= len(here)
        self.returns += len(here)

    def trim(self, part: PartitionState) -> None:
        """Evict rows beyond the bound; between batches only."""
        excess = len(part) - self.most
        if excess <= 0:
            return
        rows = self._coldest(part, min(excess, CATCH_UP + self._entered) + min(SLACK, self.most // 8))
        self._entered = 0
        if len(rows):
            self._evict(part, rows)

    def recall(self, part: PartitionState, claims: Sequence[OutputProgress]) -> None:
        """After a recovery: bring back every key with outputs that may not be delivered, as the claims say."""
        if not self._stale and all(self._covered(claim) for claim in claims):
            return
        dtype, size = part.layout.dtype, part.layout.size

        def delivered(value: bytes) -> bool:
            state = np.frombuffer(value[:size], dtype)
            return all(claim.covers(state)[0] for claim in claims)

        values = self.file.values(part.partition)
        part.rows([key for key, value in values if key not in part.row_of and not delivered(value)])

    def _covered(self, claim: OutputProgress) -> bool:
        """True where the claim covers all rows evicted so far."""
        return all(
            sequence <= claim.sequence if epoch == claim.epoch else record_offset < claim.read_to
            for epoch, (sequence, record_offset) in self._epochs.items()
        )

    def _coldest(self, part: PartitionState, count: int) -> Longs:
        """About the `count` least recently active rows that are not pinned; exactly those, where rows are few."""
        step = max(1, len(part.keys) // max(LEAST, SAMPLE * count))
        self._turn += 1
        sample = np.arange(self._turn % step, len(part.keys), step)
        offsets = part.layout.view(part.arena)["offset"][sample]
        ordered = sample[np.argsort(offsets, kind="stable")].tolist()
        keys, pinned = part.keys, self.variable_parts.pinned
        found = (row for row in part.may_leave(ordered) if keys[row] and not pinned(row))
        return np.array(list(islice(found, count)), dtype=np.int64)

    def _note(self, states: States) -> None:
        """Remember of evicted rows what `recall` needs to know without reading the file."""
        self._stale = self._stale or bool((states["record_offset"] < 0).any())
        for epoch in np.unique(states["epoch"]).tolist():
            own = states[states["epoch"] == epoch]
            sequence, record_offset = self._epochs.get(epoch, (0, 0))
            self._epochs[epoch] = (
                max(sequence, int(own["sequence"].max())),
                max(record_offset, int(own["record_offset"].max())),
            )

    def _evict(self, part: PartitionState, rows: Longs) -> None:
        copy, size = part.read_rows(rows), part.layout.size
        self._note(part.layout.view(copy))
        payload, tail = copy.tobytes(), self.variable_parts.pop_packed
        self.file.put(
            part.partition,
            {
                part.keys[row]: payload[at * size : (at + 1) * size] + tail(row)
                for at, row in enumerate(rows.tolist())
            },
        )
        part.leave(rows)
        self.count += len(rows)
        self.evictions += len(rows)
