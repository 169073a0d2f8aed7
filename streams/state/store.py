"""Per-partition user state: an arena of fixed-size rows, and what a changelog record says.

A row is one user (see `layout`). What has no fixed size (items consumed, events that wait for an item) follows the
row in the changelog record as a tail (see tails.py), so that one record is always one user's whole state.

Pure: no Kafka here. Single-threaded: the model thread owns every partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streams.interest.base import Longs
from streams.settings.errors import UserError
from streams.state.changelog import NOTHING, WATERMARK_KEY, Claim, SourceTopic, Watermark
from streams.state.deliveries import Deliveries
from streams.state.layout import Layout, Rows
from streams.state.mapped import zeros
from streams.state.origins import Origins
from streams.state.tails import Tails

NO_OFFSET = -1


class Evicted(Protocol):
    """A partition's users who are not in memory for now (see `eviction`)."""

    count: int  # of them, now
    evictions: int  # so far, as the returns
    returns: int

    def bring_back(self, part: PartitionState, users: list[str], rows: Longs) -> None:
        """Put those of the users (n,) who were evicted into their new rows (n,), as they were."""
        ...

    def trim(self, part: PartitionState) -> None:
        """Evict until no more users than allowed are in memory; between batches only."""
        ...


class StateError(UserError):
    """The changelog cannot be used as it is; the message says what to do."""


class PartitionState:
    """All users of one partition of the canonical topic."""

    def __init__(self, partition: int, layout: Layout, capacity: int = 1024) -> None:
        self.partition = partition
        self.layout = layout
        self.arena: Rows = zeros(capacity, layout.size)
        self.users: list[str] = []
        self.row_of: dict[str, int] = {}
        self.tails = Tails(layout.consumed)
        self.consumed, self.waiting = self.tails.consumed, self.tails.waiting
        self.watermark = NO_OFFSET
        # The newest that is known, of whatever term.
        self.mark: Watermark | None = None
        self.books: Counter[str] = Counter()
        self.origins = Origins()
        # Of this term, each with its mark.
        self.changes = 0
        self.deliveries = Deliveries()
        # Row -> number of its first change since its last recommendation, 0 for one of an earlier term;
        # `publishing` while one is under way. `all_told` once a mark has said that there are none.
        self.due: dict[int, int] = {}
        self.publishing: dict[int, int] = {}
        self.all_told = True
        # From a recovery: rows whose last record was an older state, rows whose vector may not be out, and of
        # which changes recommendations were.
        self.stale: Longs = np.zeros(0, dtype=np.int64)
        self.unpublished: Longs = np.zeros(0, dtype=np.int64)
        self.recommended_before = NOTHING
        # Rows of nobody, for the next who come; their user id is empty.
        self.free: list[int] = []
        # None where memory has no bound.
        self.evicted: Evicted | None = None

    def __len__(self) -> int:
        """Users in memory."""
        return len(self.row_of)

    @property
    def known(self) -> int:
        """Users in memory or evicted."""
        return len(self) + (self.evicted.count if self.evicted is not None else 0)

    def rows(self, users: Sequence[str]) -> Longs:
        """Row of each user id (n,), made for those never seen or evicted."""
        row_of = self.row_of
        try:
            return np.array([row_of[user] for user in users], dtype=np.int64)
        except KeyError:
            self._enter(list(dict.fromkeys(user for user in users if user not in row_of)))
            return np.array([row_of[user] for user in users], dtype=np.int64)

    def _enter(self, users: list[str]) -> None:
        """Give rows to users who have none."""
        reused = [self.free.pop() for _ in range(min(len(self.free), len(users)))]
        self.arena[reused] = 0
        for row, user in zip(reused, users, strict=False):
            self.users[row] = user
        first = len(self.users)
        self.users += users[len(reused) :]
        self.reserve(len(self.users))
        rows = [*reused, *range(first, len(self.users))]
        self.row_of.update(zip(users, rows, strict=True))
        if self.evicted is not None:
            self.evicted.bring_back(self, users, np.array(rows, dtype=np.int64))

    def leave(self, rows: Longs) -> None:
        """Free the rows (n,) of users who are kept elsewhere from now on; tails are the caller's."""
        self.layout.view(self.arena)["offset"][rows] = NO_OFFSET
        for row in rows.tolist():
            del self.row_of[self.users[row]]
            self.users[row] = ""
        self.free += rows.tolist()

    def trim(self) -> None:
        """Keep to the bound of users in memory, where there is one; between batches only."""
        if self.evicted is not None:
            self.evicted.trim(self)

    def known_rows(self, users: Iterable[str]) -> Longs:
        """Rows of those of the users who have a state, brought back where they were evicted."""
        rows = self.rows(list(users))
        return rows[~self.leave_unseen(rows)]

    def leave_unseen(self, rows: Longs) -> npt.NDArray[np.bool_]:
        """Free those of the rows (n,), each named once, that nothing was written to; true for these."""
        unseen: npt.NDArray[np.bool_] = self.layout.view(self.arena)["ids"][rows] == 0
        self.leave(rows[unseen])
        return unseen

    def take(self, rows: Longs) -> Rows:
        """A copy of the rows, (n, size) bytes, to be changed and `put` back."""
        return np.take(self.arena, rows, axis=0)

    def put(self, rows: Longs, changed: Rows) -> None:
        """Write changed rows back."""
        self.arena[rows] = changed

    def offsets(self, rows: Longs) -> Longs:
        """Offset of the last event applied to each row (n,); -1 for a user never seen."""
        view = self.layout.view(self.arena)
        found: Longs = np.where(view["ids"][rows] > 0, view["offset"][rows], NO_OFFSET)
        return found

    def records(self, rows: Longs, changed: Rows) -> list[tuple[bytes, bytes]]:
        """Changelog records (key, value) of rows whose new bytes are `changed`."""
        size, users, payload = self.layout.size, self.users, changed.tobytes()
        bodies = [payload[start : start + size] for start in range(0, len(payload), size)]
        keys = [users[row].encode() for row in rows.tolist()]
        if self.tails:
            tail = self.tails.pack
            bodies = [body + tail(row) for row, body in zip(rows.tolist(), bodies, strict=True)]
        return list(zip(keys, bodies, strict=True))

    def watermark_record(self, source: SourceTopic) -> tuple[bytes, bytes]:
        """The changelog record that follows a batch's records in the same partition."""
        self.changes += 1
        deliveries = self.deliveries
        deliveries.settle()
        mark = Watermark(
            offset=self.watermark,
            term=deliveries.term,
            change=self.changes,
            resume=deliveries.resume,
            published=deliveries.published,
            recommended=self._recommended(),
            layout=self.layout.id,
            source=source,
            books=dict(self.books),
            origins=self.origins.copy(),
        )
        self.mark = mark.or_newer(self.mark)
        return WATERMARK_KEY, msgspec.json.encode(mark)

    def stamp(self, states: Any) -> None:
        """Let rows that have changed, or are written again, bear the change whose mark comes next."""
        states["term"], states["change"], states["place"] = self.deliveries.term, self.changes + 1, 0

    def mark_due(self, rows: Longs) -> None:
        """Let the users of these rows, which change with the next mark, have a recommendation."""
        due, change = self.due, self.changes + 1
        for row in rows.tolist():
            due.setdefault(row, change)

    @property
    def resume_offset(self) -> int:
        """Where to read on after a recovery: rejected records that follow may not be out, though they are booked."""
        return self.deliveries.resume + 1

    def _recommended(self) -> Claim:
        due = min([*self.due.values(), *self.publishing.values()], default=None)
        self.all_told = due is None
        if due == 0:
            return self.recommended_before
        return Claim(self.deliveries.term, self.changes if due is None else due - 1, self.deliveries.read_to)

    def memory_bytes(self) -> int:
        """Bytes of the arena in use; ids, dictionaries and tails come on top."""
        return len(self.users) * self.layout.size

    def reserve(self, needed: int) -> None:
        """Make room for so many users; memory is taken only as they come."""
        capacity = len(self.arena)
        if needed > capacity:
            grown = zeros(max(needed, capacity * 2), self.layout.size)
            grown[:capacity] = self.arena
            self.arena = grown
