"""How the state of one key is laid out: a row of fixed size, whose first fields are the store's own.

Rows are plain bytes in memory and in the changelog alike, so a batch's touched keys are one gather, one scatter and
one slice each.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from streams.state.built_with import BuiltWith

Rows = npt.NDArray[np.uint8]

# What the store itself reads and writes of a row; the rest is its owner's.
STORE_FIELDS = (
    "offset",  # of the last event applied
    "epoch",  # of the last change: the offset of the record by which the worker took the partition over
    "sequence",  # number of the last change in that epoch
    "record_offset",  # changelog offset of the row's record; its complement (~) where an older record lies behind it
    "applied",  # events applied; of two rows at one offset, the one with more is newer
    "accepted",  # events applied or waiting; 0 where nothing was written to the row
)


class Layout:
    """The fields of a row, and an identity that keeps rows of two layouts apart."""

    def __init__(
        self, dtype: np.dtype[Any], described: str, depends_on: str, built_with: BuiltWith | None = None
    ) -> None:
        """dtype: structured, with all of STORE_FIELDS, each a little-endian int64.

        described: everything, beside the fields, by which two layouts differ. depends_on: the same in words, for
        whoever meets rows of another layout. built_with: the settings that it depends on.
        """
        missing = [name for name in STORE_FIELDS if name not in (dtype.names or ())]
        if missing:
            raise ValueError(f"the layout lacks {missing}")
        self.dtype, self.depends_on = dtype, depends_on
        self.built_with = built_with or BuiltWith()
        self.size = dtype.itemsize
        self.id = f"{crc32(described.encode()):08x}"

    def view(self, rows: Rows) -> npt.NDArray[Any]:
        """Rows of bytes (n, size) as structured rows (n,), sharing memory."""
        return rows.view(self.dtype)[:, 0]

    def epoch(self, record: bytes) -> int | None:
        """The epoch in a changelog record's value; None where the record is no row of this layout."""
        if len(record) < self.size:
            return None
        return int(np.frombuffer(record, self.dtype, count=1)["epoch"][0])
