"""A partition's state from its changelog records, in any order: per key the highest (offset, count, epoch) wins.

The last record would not do: a paused old owner may append an older state after the new owner's. Rows to which that
has happened are reported, for compaction would keep the older record. Pure; see `recovery` for where records come
from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np

from streams.interest.base import Longs
from streams.state.bounded.eviction import Evictor
from streams.state.changelog import CONTROL_KEYS, NO_EPOCH, PROGRESS_KEY, Progress, TopicIdentity
from streams.state.layout import Rows
from streams.state.snapshots.snapshot import Snapshot
from streams.state.store import PartitionState, StateError
from streams.state.variable_parts import PackedVariableParts

P = TypeVar("P", bound=PartitionState)

# Of two states with the same events the later owner's wins, as among their outputs (see outputs.Writer).
ORDER = ("offset", "applied", "epoch")


class Restoring(Generic[P]):
    """Takes records by the chunk, straight into the arena, and gives the state once all are in."""

    def __init__(self, empty: P, evictor: Evictor | None = None) -> None:
        """empty: the state to fill. evictor: bounds the rows in memory from now on; None for no bound."""
        self._state = empty
        self._evictor = evictor
        self._layout = empty.layout
        self._progress: Progress | None = None
        self._tails = PackedVariableParts(empty.variable_parts.pins)
        if evictor is not None:
            empty.evicted, evictor.variable_parts = evictor, self._tails
        self._read_to = 0
        # Whether a record was shorter than a row.
        self._misfit = False

    def __len__(self) -> int:
        return self._state.known

    def reserve(self, keys: int) -> None:
        """Expect so many keys; fewer or more may come."""
        self._state.reserve(keys)

    def fill(self, found: Snapshot) -> None:
        """Begin with a snapshot, before any record is added; those behind its offset are to follow."""
        self._state.rows(found.keys)
        self._state.arena[: len(found.keys)] = found.rows
        self._tails.update(found.variable_parts)
        self._progress, self._read_to = found.progress, found.offset

    def add(self, keys: Sequence[bytes], values: Sequence[bytes | None], offsets: Sequence[int]) -> None:
        """Take records with their changelog offsets. Raises StateError where they are not this layout's, as soon as a
        progress record says what they are built with."""
        self._read_to = max(self._read_to, offsets[-1] + 1) if offsets else self._read_to
        if None in values or not CONTROL_KEYS.isdisjoint(keys):
            records = zip(keys, values, offsets, strict=True)
            kept = [(k, v, o) for k, v, o in records if v is not None and not self._control(k, v)]
            keys, offsets = [key for key, _, _ in kept], [offset for _, _, offset in kept]
            values = [value for _, value, _ in kept]
        if self._misfit and self._progress is not None:
            self._check_layout(self._progress)
        if keys and not self._misfit:
            given = [value for value in values if value is not None]
            self._enter([key.decode() for key in keys], given, np.array(offsets, dtype=np.int64))

    def _control(self, key: bytes, value: bytes) -> bool:
        if key == PROGRESS_KEY:
            try:
                self._progress = Progress.newest(self._progress, value)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StateError(self._mismatch("holds a progress record that cannot be read")) from error
        return key in CONTROL_KEYS

    def state(self, source: TopicIdentity, epoch: int = NO_EPOCH) -> P:
        """The state, for the owner of this epoch. Raises StateError where it was built from something else."""
        state, evictor = self._state, self._evictor
        # First: variable parts behind rows of another layout are cut at a wrong place, and cannot be read.
        if self._progress is not None:
            self._check_layout(self._progress)
            self._check(self._progress, source)
        if self._misfit:
            raise StateError(self._mismatch("holds records of another size"))
        state.variable_parts.load(self._tails)
        state.resume(self._progress, epoch, self._read_to)
        if evictor is not None:
            evictor.variable_parts = state.variable_parts
            evictor.recall(state, state.claims())
        state.find_outstanding()
        return state

    def _enter(self, keys: list[str], values: list[bytes], record_offsets: Longs) -> None:
        size = self._layout.size
        if min(map(len, values)) < size:
            self._misfit = True
            return
        arena_rows = self._state.rows(keys)
        # Views, so that each row is copied once.
        payload = b"".join([memoryview(value)[:size] for value in values])
        rows = np.frombuffer(payload, dtype=np.uint8).reshape(-1, size)
        newest = self._newest(arena_rows, rows)
        touched, arena_rows = arena_rows, arena_rows[newest]
        self._state.write_rows(arena_rows, rows if len(newest) == len(rows) else rows[newest])
        self._note_record_offsets(arena_rows, record_offsets[newest], touched, record_offsets)
        variable_parts = self._tails
        for row, index in zip(arena_rows.tolist(), newest.tolist(), strict=True):
            if len(values[index]) > size:
                variable_parts[row] = values[index][size:]
            else:
                variable_parts.pop(row, None)
        self._state.trim()

    def _note_record_offsets(
        self, newest: Longs, where: Longs, touched: Longs, record_offsets: Longs
    ) -> None:
        """Note where the newest records stand, and of which rows the last record is not the newest."""
        record_offset = self._layout.view(self._state.arena)["record_offset"]
        record_offset[newest] = where
        rows, from_end = np.unique(touched[::-1], return_index=True)
        found, last = record_offset[rows], record_offsets[::-1][from_end]
        stale = (found >= 0) & (found != last)
        record_offset[rows[stale]] = ~found[stale]

    def _newest(self, arena_rows: Longs, rows: Rows) -> Longs:
        """Indices of the records that are newer than what was there, and the newest of these of their row."""
        given, held = self._layout.view(rows), self._layout.view(self._state.arena)
        offsets, counts, epochs = (given[name] for name in ORDER)
        seen, newer = held["accepted"][arena_rows] > 0, np.ones(len(rows), dtype=bool)
        if seen.any():
            before, known, since = (held[name][arena_rows] for name in ORDER)
            later = (counts > known) | ((counts == known) & (epochs >= since))
            newer = ~seen | (offsets > before) | ((offsets == before) & later)
        found = np.flatnonzero(newer)
        order = found[np.lexsort((epochs[found], counts[found], offsets[found], arena_rows[found]))]
        last = np.append(np.diff(arena_rows[order]) != 0, True)[: len(order)]
        return np.sort(order[last])

    def _check_layout(self, progress: Progress) -> None:
        if progress.layout == self._layout.id:
            return
        told = progress.built_with
        differing = self._layout.built_with.differences(told) if told else []
        if differing:
            raise StateError(self._mismatch(f"was built with {', '.join(differing)}"))
        raise StateError(self._mismatch(f"holds another {self._layout.depends_on}"))

    def _check(self, progress: Progress, source: TopicIdentity) -> None:
        built = progress.source
        if (built.topic, built.partitions) != (source.topic, source.partitions):
            raise StateError(
                self._lie(
                    f"{built.topic} with {built.partitions} partitions, but {source.topic} has {source.partitions} now"
                )
            )
        if built.topic_id and source.topic_id and built.topic_id != source.topic_id:
            raise StateError(self._lie(f"a topic {source.topic} that has been recreated since"))

    def _lie(self, built_from: str) -> str:
        return (
            f"state of partition {self._state.partition} was built from {built_from}: offsets would lie. Raise "
            f"INTERESTFLOW_GENERATION, run `interestflow topics create` and replay"
        )

    def _mismatch(self, why: str) -> str:
        return (
            f"the state changelog of partition {self._state.partition} {why}. Restore the old settings, or "
            f"raise INTERESTFLOW_GENERATION, run `interestflow topics create` and let the worker replay the events"
        )
