"""The rows of one partition by key: an arena of fixed-size rows, and their changelog records.

What of a key's state has no fixed size follows its row in the changelog record (see variable_parts.py), so that one
record is always one key's whole state. A subclass adds what only its keys have (see `users`).

Pure: no Kafka here. Single-threaded: the model thread owns every partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streams.interest.base import Longs
from streams.settings.errors import UserError
from streams.state.changelog import NOTHING, PROGRESS_KEY, Counted, OutputProgress, Progress, TopicIdentity
from streams.state.deliveries import Deliveries
from streams.state.layout import Layout, Rows
from streams.state.mapped import zeros
from streams.state.origins import Origins
from streams.state.variable_parts import VariableParts

NO_OFFSET = -1


class Evicted(Protocol):
    """The keys of a partition whose rows are not in memory now (see `eviction`)."""

    count: int  # keys evicted now
    evictions: int  # so far
    returns: int  # so far

    def bring_back(self, part: PartitionState, keys: list[str], rows: Longs) -> None:
        """Restore those of the keys (n,) that were evicted into their new rows (n,)."""
        ...

    def trim(self, part: PartitionState) -> None:
        """Evict until no more rows than allowed are in memory; between batches only."""
        ...


class StateError(UserError):
    """The changelog cannot be used as it is; the message says what to do."""


class PartitionState:
    """All rows of one partition."""

    def __init__(
        self, partition: int, layout: Layout, variable_parts: VariableParts, capacity: int = 1024
    ) -> None:
        """capacity: rows for which room is made at first."""
        self.partition = partition
        self.layout = layout
        self.variable_parts = variable_parts
        self.arena: Rows = zeros(capacity, layout.size)
        # The key of each row, empty for a free one.
        self.keys: list[str] = []
        self.row_of: dict[str, int] = {}
        # Free rows, for the next keys.
        self.free: list[int] = []
        # None where memory has no bound.
        self.evicted: Evicted | None = None
        # The highest source offset whose effects are all in the rows.
        self.processed_offset = NO_OFFSET
        self.books: Counter[str] = Counter()
        self.origins = Origins()
        self.feedback: Counted = msgspec.UNSET
        # The newest that is known, of whatever epoch.
        self.progress: Progress | None = None
        # Changes in this epoch, each completed by a progress record.
        self.sequence = 0
        self.deliveries = Deliveries()
        # Rows that a recovery found to have an older record behind their newest one.
        self.stale: Longs = np.zeros(0, dtype=np.int64)
        # Rows whose outputs a recovery found to be perhaps undelivered.
        self.unpublished: Longs = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        """Keys in memory."""
        return len(self.row_of)

    @property
    def known(self) -> int:
        """Keys in memory or evicted."""
        return len(self) + (self.evicted.count if self.evicted is not None else 0)

    def rows(self, keys: Sequence[str]) -> Longs:
        """Row of each key (n,); keys that are new or evicted get one."""
        row_of = self.row_of
        try:
            return np.array([row_of[key] for key in keys], dtype=np.int64)
        except KeyError:
            self._enter(list(dict.fromkeys(key for key in keys if key not in row_of)))
            return np.array([row_of[key] for key in keys], dtype=np.int64)

    def _enter(self, keys: list[str]) -> None:
        """Give rows to keys that have none."""
        reused = [self.free.pop() for _ in range(min(len(self.free), len(keys)))]
        self.arena[reused] = 0
        for row, key in zip(reused, keys, strict=False):
            self.keys[row] = key
        first = len(self.keys)
        self.keys += keys[len(reused) :]
        self.reserve(len(self.keys))
        rows = [*reused, *range(first, len(self.keys))]
        self.row_of.update(zip(keys, rows, strict=True))
        if self.evicted is not None:
            self.evicted.bring_back(self, keys, np.array(rows, dtype=np.int64))

    def leave(self, rows: Longs) -> None:
        """Free rows (n,); their variable parts are the caller's."""
        self.layout.view(self.arena)["offset"][rows] = NO_OFFSET
        for row in rows.tolist():
            del self.row_of[self.keys[row]]
            self.keys[row] = ""
        self.free += rows.tolist()

    def trim(self) -> None:
        """Evict rows beyond the bound of memory, where there is one; between batches only."""
        if self.evicted is not None:
            self.evicted.trim(self)

    def may_leave(self, rows: Iterable[int]) -> Iterator[int]:
        """Those of the rows that are not pinned, apart from what their variable parts pin."""
        return iter(rows)

    def known_rows(self, keys: Iterable[str]) -> Longs:
        """Rows of those of the keys that have a state, brought back where they were evicted."""
        rows = self.rows(list(keys))
        return rows[~self.leave_unseen(rows)]

    def leave_unseen(self, rows: Longs) -> npt.NDArray[np.bool_]:
        """Free those of the distinct rows (n,) that nothing was written to; (n,) true for these."""
        unseen: npt.NDArray[np.bool_] = self.layout.view(self.arena)["accepted"][rows] == 0
        self.leave(rows[unseen])
        return unseen

    def read_rows(self, rows: Longs) -> Rows:
        """A copy of the rows, (n, size) bytes, to be changed and written back."""
        return np.take(self.arena, rows, axis=0)

    def write_rows(self, rows: Longs, changed: Rows) -> None:
        """Write changed rows back."""
        self.arena[rows] = changed

    def offsets(self, rows: Longs) -> Longs:
        """Offset of the last event applied to each row (n,); -1 where nothing was written to the row."""
        view = self.layout.view(self.arena)
        found: Longs = np.where(view["accepted"][rows] > 0, view["offset"][rows], NO_OFFSET)
        return found

    def records(self, rows: Longs, changed: Rows) -> list[tuple[bytes, bytes]]:
        """Changelog records (key, value) of rows whose new bytes are `changed`."""
        names, numbers = self.keys, rows.tolist()
        # As a column of opaque values, for one copy of all where each row's bytes would be a second one.
        bodies = np.ascontiguousarray(changed).view(f"V{self.layout.size}").ravel().tolist()
        keys = [names[row].encode() for row in numbers]
        if self.variable_parts:
            tail = self.variable_parts.pack
            bodies = [body + tail(row) for row, body in zip(numbers, bodies, strict=True)]
        return list(zip(keys, bodies, strict=True))

    def progress_record(self, source: TopicIdentity) -> tuple[bytes, bytes]:
        """The changelog record that follows a batch's records in the same partition."""
        self.sequence += 1
        deliveries = self.deliveries
        deliveries.settle()
        progress = Progress(
            offset=self.processed_offset,
            epoch=deliveries.epoch,
            sequence=self.sequence,
            resume=deliveries.resume,
            published=deliveries.published,
            deferred=self.deferred(),
            layout=self.layout.id,
            source=source,
            books=dict(self.books),
            origins=self.origins.copy(),
            feedback=self.feedback,
            built_with=self.layout.built_with.told(),
        )
        self.progress = progress.or_newer(self.progress)
        return PROGRESS_KEY, msgspec.json.encode(progress)

    def feedback_record(self) -> list[tuple[bytes, bytes]]:
        """The changelog record that goes before a batch's records where the batch has counted feedback: the newest
        progress record once more, with the counts. None before the first one."""
        if self.progress is None:
            return []
        self.progress = msgspec.structs.replace(self.progress, feedback=self.feedback)
        return [(PROGRESS_KEY, msgspec.json.encode(self.progress))]

    def set_version(self, states: Any) -> None:
        """Give rows that have changed the number of the change that the next progress record completes."""
        states["epoch"], states["sequence"] = self.deliveries.epoch, self.sequence + 1
        states["record_offset"] = 0

    @property
    def resume_offset(self) -> int:
        """Source offset from which to read after a recovery: rejected records from there on may not be delivered."""
        return self.deliveries.resume + 1

    def deferred(self) -> OutputProgress:
        """Which changes have delivered outputs of the kind that comes later than its batch; none here."""
        return NOTHING

    def resume(self, progress: Progress | None, epoch: int, read_to: int) -> None:
        """Continue from the newest progress record that a recovery found. See Deliveries for epoch and read_to."""
        published, resume = NOTHING, NO_OFFSET
        if progress is not None:
            self.progress, self.processed_offset = progress, progress.offset
            self.books.update(progress.books)
            self.origins, self.feedback = Origins(progress.origins), progress.feedback
            published, resume = progress.published, progress.resume
        self.deliveries = Deliveries(epoch, read_to, published, resume)

    def claims(self) -> tuple[OutputProgress, ...]:
        """Which changes have delivered outputs, by kind of output."""
        return (self.deliveries.published,)

    def find_outstanding(self) -> None:
        """After a recovery: find the rows whose records or outputs are to be published again."""
        states = self.layout.view(self.arena)[: len(self.keys)]
        self.stale = np.flatnonzero((states["accepted"] > 0) & (states["record_offset"] < 0))
        self.unpublished = self.not_covered(self.deliveries.published)

    def not_covered(self, claim: OutputProgress) -> Longs:
        """Rows whose outputs may not be delivered, as the claim says."""
        states = self.layout.view(self.arena)[: len(self.keys)]
        return np.flatnonzero((states["accepted"] > 0) & ~claim.covers(states))

    def memory_bytes(self) -> int:
        """Bytes of the arena in use; keys, dictionaries and variable parts come on top."""
        return len(self.keys) * self.layout.size

    def reserve(self, needed: int) -> None:
        """Make room for so many rows; memory is taken only as they are written."""
        capacity = len(self.arena)
        if needed > capacity:
            grown = zeros(max(needed, capacity * 2), self.layout.size)
            grown[:capacity] = self.arena
            self.arena = grown
