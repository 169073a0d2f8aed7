"""A partition's state from its changelog records, in any order: per user the highest (offset, version) wins.

Never merely the last record: a paused old owner may append older state after the new owner's. Pure; see
`recovery` for where the records come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.changelog import WATERMARK_KEY, SourceTopic, Watermark
from streams.eviction import Evictor
from streams.interest.base import Longs
from streams.store import Layout, PartitionState, Rows, StateError
from streams.tails import Unread


class Restoring:
    """Takes records by the chunk, straight into the arena, and gives the state once all are in."""

    def __init__(self, partition: int, layout: Layout, evictor: Evictor | None = None) -> None:
        """evictor: keeps to a bound of users in memory, while reading and then on; None where there is none."""
        self._state = PartitionState(partition, layout)
        self._evictor = evictor
        self._layout = layout
        self._mark: Watermark | None = None
        self._tails = Unread()
        if evictor is not None:
            self._state.evicted, evictor.tails = evictor, self._tails

    def __len__(self) -> int:
        return self._state.known

    def reserve(self, users: int) -> None:
        """Expect so many users; fewer or more may come."""
        self._state.reserve(users)

    def add(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Take records. Raises StateError where they are not this layout's."""
        if WATERMARK_KEY in keys or None in values:
            kept = [(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
            for key, value in kept:
                if key == WATERMARK_KEY:
                    self._mark = Watermark.newest(self._mark, value)
            kept = [(key, value) for key, value in kept if key != WATERMARK_KEY]
            keys, values = [key for key, _ in kept], [value for _, value in kept]
        if keys:
            self._users([key.decode() for key in keys], [value for value in values if value is not None])

    def state(self, source: SourceTopic) -> PartitionState:
        """The state. Raises StateError where it was built from another topic, or with other settings."""
        state, mark = self._state, self._mark
        if mark is not None:
            self._check(mark, source)
            state.watermark, state.published, state.recommended = (
                mark.offset,
                mark.published,
                mark.recommended,
            )
            state.marks = mark.version
            state.books.update(mark.books)
        state.tails.load(self._tails)
        if self._evictor is not None:
            self._evictor.tails = state.tails
            self._evictor.recall(state, min(state.published, state.recommended))
        due = state.rows_beyond(state.recommended)
        offsets = self._layout.view(state.arena)["offset"][due]
        state.due = dict(zip(due.tolist(), offsets.tolist(), strict=True))
        return state

    def _users(self, users: list[str], values: list[bytes]) -> None:
        size, arena_rows = self._layout.size, self._state.rows(users)
        if min(map(len, values)) < size:
            raise StateError(self._mismatch("records of another size"))
        # Views, so that each row is copied once.
        payload = b"".join([memoryview(value)[:size] for value in values])
        rows = np.frombuffer(payload, dtype=np.uint8).reshape(-1, size)
        newest = self._newest(arena_rows, rows)
        arena_rows = arena_rows[newest]
        self._state.put(arena_rows, rows if len(newest) == len(rows) else rows[newest])
        tails = self._tails
        for row, index in zip(arena_rows.tolist(), newest.tolist(), strict=True):
            if len(values[index]) > size:
                tails[row] = values[index][size:]
            else:
                tails.pop(row, None)
        self._state.trim()

    def _newest(self, arena_rows: Longs, rows: Rows) -> Longs:
        """Indices of the records that are the newest of their user, among these and what was there."""
        given, held = self._layout.view(rows), self._layout.view(self._state.arena)
        offsets, versions = given["offset"], given["version"]
        known, newer = held["version"][arena_rows], np.ones(len(rows), dtype=bool)
        seen = known > 0
        if seen.any():
            before = held["offset"][arena_rows]
            newer = ~seen | (offsets > before) | ((offsets == before) & (versions >= known))
        found = np.flatnonzero(newer)
        order = found[np.lexsort((versions[found], offsets[found], arena_rows[found]))]
        last = np.append(np.diff(arena_rows[order]) != 0, True)[: len(order)]
        return np.sort(order[last])

    def _check(self, mark: Watermark, source: SourceTopic) -> None:
        if mark.layout != self._layout.id:
            raise StateError(
                self._mismatch(
                    "another model, encoder, projection, dimension, history length or window of event ids"
                )
            )
        built = mark.source
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
            f"the state changelog of partition {self._state.partition} holds {why}. Restore the old settings, or "
            f"raise INTERESTFLOW_GENERATION, run `interestflow topics create` and let the worker replay the events"
        )
