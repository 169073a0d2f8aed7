"""Per-partition user state: an arena of fixed-size rows, and what a changelog record says.

A row is one user: a header, the interest model's state and a ring of recent item events. Rows are plain
bytes in memory and in the changelog alike, so a batch's touched users are one gather, one scatter and one
slice each. What has no fixed size (items consumed, events that wait for an item) follows the row in the
changelog record as a MessagePack tail, so that one record is always one user's whole state.

Pure: no Kafka here. Single-threaded: the model thread owns every partition.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from streams.interest.base import InterestModel, Longs

Rows = npt.NDArray[np.uint8]
NO_OFFSET = -1
# A user id holds no control character, so this key can never be a user's.
WATERMARK_KEY = b"\x00watermark"

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


class Waiting(msgspec.Struct, array_like=True):
    """An event that waits for its item to enter the catalogue."""

    offset: int
    item_id: str
    # Broker's time of the record, milliseconds: the event's own time is never taken as later than it.
    recorded: int
    event: bytes


class Tail(msgspec.Struct, array_like=True):
    """The part of a state without fixed size. consumed: item keys, 8 bytes little-endian each."""

    consumed: bytes = b""
    waiting: list[Waiting] = []


class Watermark(msgspec.Struct):
    """One record per partition: everything up to `offset` is in the changelog.

    version: counts the marks, since an event that waited is applied without a higher offset. recommended:
    every user touched up to this offset has had a recommendation published since. books: events by outcome
    since the beginning of the partition; they balance (see `audit`).
    """

    offset: int
    recommended: int
    layout: str
    source: str
    partitions: int
    books: dict[str, int]
    version: int = 0


class Layout:
    """How a row is laid out for one model and one history length."""

    def __init__(self, model: InterestModel, history: int, space: str) -> None:
        """space: identity of the vector space (encoder, revision, projection): states of two never mix."""
        self.dtype = np.dtype(
            [
                ("offset", "<i8"),
                ("version", "<i8"),
                ("count", "<i8"),
                ("rating_sum", "<f8"),
                ("rating_count", "<i8"),
                ("model", model.state_dtype()),
                ("history", HISTORY_DTYPE, (history,)),
            ]
        )
        self.history = history
        self.size = self.dtype.itemsize
        described = f"{model.name} {self.dtype.descr!r} {space}"
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
        self.consumed: dict[int, dict[int, None]] = {}
        self.waiting: dict[int, list[Waiting]] = {}
        self.waiting_count = 0
        # Item id -> rows of the users with an event that waits for it.
        self.waited_for: dict[str, set[int]] = {}
        self.watermark = NO_OFFSET
        self.marks = 0
        # Up to here the last mark calls recommendations published.
        self.recommended = NO_OFFSET
        self.books: Counter[str] = Counter()
        # Row -> offset of its first change since its last recommendation; `publishing` while one is under way.
        self.due: dict[int, int] = {}
        self.publishing: dict[int, int] = {}

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
            self._grow(len(self.users))
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

    def consume(self, row: int, item: int) -> None:
        """Remember that the user consumed the item of this key."""
        self.consumed.setdefault(row, {})[item] = None

    def wait(self, row: int, waiting: Waiting) -> None:
        """Keep an event until its item is known."""
        self.waiting.setdefault(row, []).append(waiting)
        self.waited_for.setdefault(waiting.item_id, set()).add(row)
        self.waiting_count += 1

    def waiting_for(self, item_ids: Set[str]) -> list[Waiting]:
        """The events that wait for one of these items, in log order."""
        rows = {row for item_id in item_ids for row in self.waited_for.get(item_id, ())}
        found = [waiting for row in rows for waiting in self.waiting[row] if waiting.item_id in item_ids]
        return sorted(found, key=lambda waiting: waiting.offset)

    def release(self, item_ids: Set[str]) -> None:
        """Let no event wait for these items any more."""
        for row in {row for item_id in item_ids for row in self.waited_for.pop(item_id, ())}:
            waiting = self.waiting.pop(row)
            kept = [event for event in waiting if event.item_id not in item_ids]
            if kept:
                self.waiting[row] = kept
            self.waiting_count -= len(waiting) - len(kept)

    def records(self, rows: Longs, changed: Rows) -> list[tuple[bytes, bytes]]:
        """Changelog records (key, value) of rows whose new bytes are `changed`."""
        size, users, payload = self.layout.size, self.users, changed.tobytes()
        bodies = [payload[start : start + size] for start in range(0, len(payload), size)]
        keys = [users[row].encode() for row in rows.tolist()]
        if self.consumed or self.waiting:
            bodies = [body + self._tail(row) for row, body in zip(rows.tolist(), bodies, strict=True)]
        return list(zip(keys, bodies, strict=True))

    def watermark_record(self, source: str, partitions: int) -> tuple[bytes, bytes]:
        """The changelog record that follows a batch's records in the same partition."""
        due = min([*self.due.values(), *self.publishing.values()], default=None)
        self.recommended = self.watermark if due is None else min(self.watermark, due - 1)
        self.marks += 1
        space = self.layout.id
        mark = Watermark(
            self.watermark, self.recommended, space, source, partitions, dict(self.books), self.marks
        )
        return WATERMARK_KEY, msgspec.json.encode(mark)

    def restore(self, latest: dict[bytes, bytes], source: str, partitions: int) -> None:
        """Fill from the newest record of each key. Raises StateError where it is not this state's."""
        mark = latest.pop(WATERMARK_KEY, None)
        if mark is not None:
            watermark = msgspec.json.decode(mark, type=Watermark)
            self._check(watermark, source, partitions)
            self.watermark, self.recommended = watermark.offset, watermark.recommended
            self.marks = watermark.version
            self.books.update(watermark.books)
        size = self.layout.size
        if any(len(value) < size for value in latest.values()):
            raise StateError(self._mismatch("records of another size"))
        self.users = [key.decode() for key in latest]
        self.row_of = {user: row for row, user in enumerate(self.users)}
        self._grow(len(self.users))
        payload = b"".join([value[:size] for value in latest.values()])
        self.arena[: len(self.users)] = np.frombuffer(payload, dtype=np.uint8).reshape(-1, size)
        for row, value in enumerate(latest.values()):
            if len(value) > size:
                self._restore_tail(row, value[size:])
        offsets = self.layout.view(self.arena)["offset"][: len(self.users)]
        self.due = {int(row): int(offsets[row]) for row in np.flatnonzero(offsets > self.recommended)}

    def memory_bytes(self) -> int:
        """Bytes of the arena in use; ids, dictionaries and tails come on top."""
        return len(self.users) * self.layout.size

    def _check(self, mark: Watermark, source: str, partitions: int) -> None:
        if mark.layout != self.layout.id:
            raise StateError(
                self._mismatch("another model, encoder, projection, dimension or history length")
            )
        if (mark.source, mark.partitions) != (source, partitions):
            raise StateError(
                f"state of partition {self.partition} was built from {mark.source} with {mark.partitions} "
                f"partitions, but {source} has {partitions} now: offsets would lie. Raise "
                f"INTERESTFLOW_GENERATION, run `interestflow topics create` and replay"
            )

    def _mismatch(self, why: str) -> str:
        return (
            f"the state changelog of partition {self.partition} holds {why}. Restore the old settings, or raise "
            f"INTERESTFLOW_GENERATION, run `interestflow topics create` and let the worker replay the events"
        )

    def _tail(self, row: int) -> bytes:
        consumed, waiting = self.consumed.get(row), self.waiting.get(row)
        if not consumed and not waiting:
            return b""
        keys = array("Q", consumed or ()).tobytes()
        return msgspec.msgpack.encode(Tail(keys, waiting or []))

    def _restore_tail(self, row: int, data: bytes) -> None:
        tail = msgspec.msgpack.decode(data, type=Tail)
        if tail.consumed:
            keys = array("Q")
            keys.frombytes(tail.consumed)
            self.consumed[row] = dict.fromkeys(keys)
        if tail.waiting:
            for waiting in tail.waiting:
                self.wait(row, waiting)

    def _grow(self, needed: int) -> None:
        capacity = len(self.arena)
        if needed > capacity:
            grown = np.zeros((max(needed, capacity * 2), self.layout.size), dtype=np.uint8)
            grown[:capacity] = self.arena
            self.arena = grown


class Newest:
    """Folds changelog records into the newest per user: the highest (offset, version) wins, never the last.

    A paused old owner may append older state after the new owner's; the order in the log says nothing.
    """

    def __init__(self) -> None:
        self.latest: dict[bytes, bytes] = {}

    def add(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take (key, value) records in any order."""
        latest = self.latest
        for key, value in records:
            if value is None:
                continue
            known = latest.get(key)
            if known is None or _order(key, value) >= _order(key, known):
                latest[key] = value


def _order(key: bytes, value: bytes) -> tuple[int, int]:
    if key == WATERMARK_KEY:
        mark = msgspec.json.decode(value, type=Watermark)
        return mark.offset, mark.version
    return int.from_bytes(value[:8], "little", signed=True), int.from_bytes(
        value[8:16], "little", signed=True
    )
