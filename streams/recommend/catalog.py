"""All item vectors, addressed by row."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from streams.recommend.attributes import Admission, Attributes, Labels
from streams.recommend.rows.base import Floats, OwnRows, Rows, Scalar, enlarged
from streams.recommend.rows.changes import Changes

# Two vectors of at most this length have a dot product that float32 holds without overflow.
MAX_LENGTH = 1e15
NO_LABELS: Labels = {}
ALL_ITEMS = Admission()


def item_key(item_id: str) -> int:
    """The item's 64-bit key, 0 to 2**64 - 1: BLAKE2b-64 of the UTF-8 id, little-endian.

    User states on disk hold these keys, so it is the same on every machine and must never change.
    """
    return key_of(item_id.encode())


def key_of(encoded: bytes) -> int:
    """The same of an id in UTF-8; of bytes that are none, a key that no item has."""
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "little")


class Catalog:
    """Every item ever put, one row each; rows are never moved or reused within a process.

    After a restart they come in the order in which the topic is read. Where the rows are shared with other processes,
    they are those of all of them: a row of an item that was not put here is in `item_ids` and `keys` alone.

    A removed item keeps its row and vector, so that a history that holds it can still be explained.
    Not thread-safe by contract: one thread (the model thread) owns it. The arrays handed out are read-only
    views of the present content; take them anew after a `put`, which may move the storage.

    item_ids: id of each row; row_of_key: row of each `item_key`; both hold the removed items too. row_of: row of each
    id that is known and not removed. max_length: no row's vector is longer (it never shrinks). removals: so far.
    changes: items put so far. attributes: of each row.
    """

    def __init__(
        self,
        dim: int,
        capacity: int = 1024,
        titles: bool = False,
        attributes: Iterable[str] = (),
        admission: Admission = ALL_ITEMS,
        rows: Rows | None = None,
    ) -> None:
        """dim: dimensions of each vector. capacity: rows to start with; doubled whenever they are full.

        titles: keep the items' titles, for whoever writes behaviour out. attributes: names of those to keep.
        admission: which items may be recommended. rows: where the vectors stand, empty; None for memory of this
        process.
        """
        if dim < 1 or capacity < 1:
            raise ValueError(f"a catalog needs dim and capacity of at least 1, not {dim} and {capacity}")
        self.dim = dim
        self._rows: Rows = rows or OwnRows(dim, capacity)
        self.item_ids = self._rows.item_ids
        self.row_of: dict[str, int] = {}
        self.row_of_key: dict[int, int] = {}
        self.max_length, self.removals, self.changes = 0.0, 0, 0
        self.attributes, self._admission = Attributes(attributes), admission
        # Of `_keys`, `_live` and `_titles`.
        self._filled = 0
        self._keys = np.zeros(capacity, dtype=np.uint64)
        self._live = np.zeros(capacity, dtype=np.bool_)
        # Row of each removed item's id.
        self._removed: dict[str, int] = {}
        self._fingerprints: dict[int, str] = {}
        self._titles: list[str] | None = [] if titles else None
        self._followers: WeakSet[Changes] = WeakSet()

    def __len__(self) -> int:
        """Items known and not removed, hidden ones included. Rows are `len(item_ids)`."""
        return len(self.row_of)

    def __contains__(self, item_id: object) -> bool:
        """True for an item known and not removed, hidden or not."""
        return item_id in self.row_of

    @property
    def vectors(self) -> Floats:
        """(n, dim) float32, C-contiguous: the vector of each row, removed and hidden ones included."""
        return _view(self._rows.vectors, len(self.item_ids))

    @property
    def shared(self) -> bool:
        """True where the vectors are in memory once for several processes."""
        return self._rows.shared

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """(n,) `item_key` of each row."""
        return _view(self._keys, len(self.item_ids))

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """(n,) true for the rows that may be recommended: neither removed nor hidden, and admitted."""
        return _view(self._live, len(self.item_ids))

    def follow(self) -> Changes:
        """Tells its owner, for as long as that keeps it, which rows change."""
        changes = Changes(self.item_ids)
        self._followers.add(changes)
        return changes

    def put(
        self,
        item_id: str,
        vector: Floats,
        hidden: bool = False,
        fingerprint: str = "",
        title: str = "",
        labels: Labels = NO_LABELS,
    ) -> int:
        """Add, change or revive an item; returns its row, always the same for the same id.

        vector: (dim,), finite, at most `MAX_LENGTH` long; unit length makes scores cosines.
        fingerprint: of what was encoded, see `fingerprint`. labels: the item's attributes.
        Raises ValueError, with the catalog unchanged, on a vector or an id that cannot be held.
        """
        values, length = self._checked(item_id, vector)
        row = self.row_of.get(item_id)
        if row is None:
            row = self._removed.pop(item_id, None)
            row = self.row_of[item_id] = self._new_row(item_id, values) if row is None else row
        self._rows.write(row, values)
        self._live[row] = not hidden and self._admission.admits(labels)
        self.attributes.put(row, labels)
        self._fingerprints[row] = fingerprint
        if self._titles is not None:
            self._titles[row] = title
        self.max_length = max(self.max_length, length)
        self.changes += 1
        self._tell(row)
        return row

    def remove(self, item_id: str) -> None:
        """Take the item out of recommendations at once; of no effect on an unknown or removed one.

        An event on it waits from now on, as on any item that is not there.
        """
        row = self.row_of.pop(item_id, None)
        if row is not None:
            self._live[row] = False
            self._removed[item_id] = row
            self.removals += 1
            self._fingerprints.pop(row, None)
            self._tell(row)

    def settle(self) -> None:
        """Share memory that changes have made this process's own, where rows are shared; nothing changes but that the
        arrays may move."""
        self._rows.settle()

    def ever_had(self, item_id: str) -> bool:
        """True for an item known or removed."""
        return item_id in self.row_of or item_id in self._removed

    def recall_removed(self) -> int:
        """Know the removed items again, by their last vectors and unseen, for a replay of events of before.

        Returns how many there are.
        """
        recalled = len(self._removed)
        self.row_of |= self._removed
        self._removed.clear()
        return recalled

    def fingerprint(self, item_id: str) -> str:
        """What the last `put` was given; empty for an unknown or a removed item, which is to be encoded."""
        return self._fingerprints.get(self.row_of.get(item_id, -1), "")

    def title(self, row: int) -> str:
        """The row's title; empty where it has none, or none are kept."""
        return self._titles[row] if self._titles is not None else ""

    def _tell(self, row: int) -> None:
        for follower in self._followers:
            follower.add(row)

    def _checked(self, item_id: str, vector: Floats) -> tuple[Floats, float]:
        values = np.asarray(vector, dtype=np.float32)
        if values.shape != (self.dim,):
            raise ValueError(
                f"the vector of item {item_id!r} has shape {values.shape}, not ({self.dim},): "
                f"encode the item again with the encoder and projection of this generation"
            )
        length = float(np.linalg.norm(values.astype(np.float64)))
        if not length <= MAX_LENGTH:
            raise ValueError(
                f"the vector of item {item_id!r} is not finite or longer than {MAX_LENGTH:g}: "
                f"look for NaN or infinity in its encoding, normalise it and put it again"
            )
        return values, length

    def _new_row(self, item_id: str, values: Floats) -> int:
        if not item_id:
            raise ValueError("an item needs a non-empty id")
        key = item_key(item_id)
        if key in self.row_of_key:
            other = self.item_ids[self.row_of_key[key]]
            raise ValueError(
                f"the ids {item_id!r} and {other!r} have the same 64-bit key: rename one of them"
            )
        row = self.row_of_key[key] = self._rows.add(item_id, values)
        self._fill()
        return row

    def _fill(self) -> None:
        """Take in all new rows."""
        count = len(self.item_ids)
        if count > len(self._keys):
            self._keys, self._live = enlarged(self._keys, 2 * count), enlarged(self._live, 2 * count)
        self._keys[self._filled : count] = [item_key(item_id) for item_id in self.item_ids[self._filled :]]
        if self._titles is not None:
            self._titles += [""] * (count - self._filled)
        self._filled = count


def _view(array: npt.NDArray[Scalar], rows: int) -> npt.NDArray[Scalar]:
    view = array[:rows]
    view.flags.writeable = False
    return view
