"""What a catalog asks of the memory of its vectors."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)


def enlarged(old: npt.NDArray[Scalar], rows: int) -> npt.NDArray[Scalar]:
    """A copy in plain memory, with zeros up to so many rows, at least as many as there are."""
    new = np.zeros((rows, *old.shape[1:]), dtype=old.dtype)
    new[: len(old)] = old
    return new


class Rows(Protocol):
    """Ids and vectors by row. Rows only come on, and keep their ids. One thread (the model thread) owns it."""

    # Of every row, those that other processes gave among them.
    item_ids: list[str]
    # (c, dim) float32, c at least the number of rows: what was written, for the rows that the catalog put.
    vectors: Floats

    @property
    def shared(self) -> bool:
        """True where other processes use the same memory."""
        ...

    def add(self, item_id: str, values: Floats) -> int:
        """The row of an id that was never added here, with this vector (dim,); it may bring further rows."""
        ...

    def write(self, row: int, values: Floats) -> None:
        """Change the vector (dim,) of a row."""
        ...

    def settle(self) -> None:
        """Give back memory that need not be this process's own; no vector changes. The arrays may move."""
        ...


class OwnRows:
    """In plain memory of this process."""

    shared = False

    def __init__(self, dim: int, capacity: int) -> None:
        """dim: dimensions of each vector. capacity: rows to start with; doubled whenever they are full."""
        self.item_ids: list[str] = []
        self.vectors: Floats = np.zeros((capacity, dim), dtype=np.float32)

    def add(self, item_id: str, values: Floats) -> int:
        """See Rows."""
        row = len(self.item_ids)
        if row == len(self.vectors):
            self.vectors = enlarged(self.vectors, 2 * row)
        self.item_ids.append(item_id)
        self.vectors[row] = values
        return row

    def write(self, row: int, values: Floats) -> None:
        """See Rows."""
        self.vectors[row] = values

    def settle(self) -> None:
        """Nothing is shared."""
