"""Per-partition user state: an arena of fixed-size rows, and what a changelog record says.

A row is one user: a header, the interest model's state and a ring of recent item events. Rows are plain
bytes in memory and in the changelog alike, so a batch's touched users are one gather, one scatter and one
slice each. What has no fixed size (items consumed, events that wait for an item) follows the row in the
changelog record as a tail (see tails.py), so that one record is always one user's whole state.

Pure: no Kafka here. Single-threaded: the model thread owns every partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from streams.changelog import NOTHING, WATERMARK_KEY, Claim, SourceTopic, Watermark
from streams.deliveries import Deliveries
from streams.interest.base import InterestModel, Longs
from streams.tails import TAIL_FORMAT, Tails

Rows = npt.NDArray[np.uint8]
NO_OFFSET = -1

HISTORY_DTYPE = np.dtype(
    [
        ("item", "<u8"),
        ("time", "<i8"),
        ("weight", "<f4"),
        ("ordinal", "<u4"),
        ("action", "<u4"),
        ("_pad", "<u4"),
    ]
)


class StateError(RuntimeError):
    """The changelog cannot be used as it is; the message says what to do."""


class Layout:
    """How a user's state is laid out for one model and one history length."""

    def __init__(
        self, model: InterestModel, history: int, space: str, consumed: int = 2000, window: int = 16
    ) -> None:
        """space: identity of the vector space (encoder, revision, projection): states of two never mix.

        consumed: items remembered as consumed, at most; beyond it a user's oldest are forgotten.
        window: event ids remembered per user, by which repeats are told (see `duplicates`).

        offset: of the last event taken in. version: one more than count, so that of two states at one offset the
        one with an event that had waited is the higher, whoever wrote it. term, change: of the last change (see
        Claim). count: events taken in that do not wait; digest: the sum of their ids' keys, in any order, modulo
        2**64. ids, seen: the window of event ids.
        """
        self.dtype = np.dtype(
            [
                ("offset", "<i8"),
                ("version", "<i8"),
                ("term", "<i8"),
                ("change", "<i8"),
                ("count", "<i8"),
                ("digest", "<u8"),
                ("ids", "<i8"),
                ("seen", "<u8", (window,)),
                ("rating_sum", "<f8"),
                ("rating_count", "<i8"),
                ("model", model.state_dtype()),
                ("history", HISTORY_DTYPE, (history,)),
            ]
        )
        self.history, self.consumed = history, consumed
        self.size = self.dtype.itemsize
        described = f"{TAIL_FORMAT} {model.name} {self.dtype.descr!r} {space}"
        self.id = f"{crc32(described.encode()):08x}"

    def view(self, rows: Rows) -> npt.NDArray[Any]:
        """Rows of bytes (n, size) as structured rows (n,), sharing memory."""
        return rows.view(self.dtype)[:, 0]


class PartitionState:
    """All users of one partition of the canonical topic."""

    def __init__(self, partition: int, layout: Layout, capacity: int = 1024) -> None:
        self.partition = partition
        self.layout = layout
        self.arena: Rows = np.zeros((capacity, layout.size), dtype=np.uint8)
        self.users: list[str] = []
        self.row_of: dict[str, int] = {}
        self.tails = Tails(layout.consumed)
        self.consumed, self.waiting = self.tails.consumed, self.tails.waiting
        self.watermark = NO_OFFSET
        self.books: Counter[str] = Counter()
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

    def __len__(self) -> int:
        return len(self.users)

    def rows(self, users: Sequence[str]) -> Longs:
        """Row of each user id (n,), made for those never seen."""
        row_of = self.row_of
        try:
            return np.array([row_of[user] for user in users], dtype=np.int64)
        except KeyError:
            for user in users:
                if user not in row_of:
                    row_of[user] = len(self.users)
                    self.users.append(user)
            self.reserve(len(self.users))
            return np.array([row_of[user] for user in users], dtype=np.int64)

    def take(self, rows: Longs) -> Rows:
        """A copy of the rows, (n, size) bytes, to be changed and `put` back."""
        return np.take(self.arena, rows, axis=0)

    def put(self, rows: Longs, changed: Rows) -> None:
        """Write changed rows back."""
        self.arena[rows] = changed

    def offsets(self, rows: Longs) -> Longs:
        """Offset of the last event applied to each row (n,); -1 for a user never seen."""
        view = self.layout.view(self.arena)
        found: Longs = np.where(view["version"][rows] > 0, view["offset"][rows], NO_OFFSET)
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
        )
        return WATERMARK_KEY, msgspec.json.encode(mark)

    def stamp(self, states: Any) -> None:
        """Let rows that have changed, or are written again, bear the change whose mark comes next."""
        states["term"], states["change"] = self.deliveries.term, self.changes + 1

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
            grown = np.zeros((max(needed, capacity * 2), self.layout.size), dtype=np.uint8)
            grown[:capacity] = self.arena
            self.arena = grown
