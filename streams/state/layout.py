"""A user's state as a row of fixed size: a header, the interest model's state and a ring of recent item events.

Rows are plain bytes in memory and in the changelog alike, so a batch's touched users are one gather, one scatter and
one slice each.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from streams.interest.base import InterestModel
from streams.state.tails import TAIL_FORMAT

Rows = npt.NDArray[np.uint8]

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


class Layout:
    """How a user's state is laid out for one model and one history length."""

    def __init__(
        self, model: InterestModel, history: int, space: str, consumed: int = 2000, window: int = 16
    ) -> None:
        """space: identity of the vector space (encoder, revision, projection): states of two never mix.

        Neither do states of two versions of a model, for its half-lives are in every sum.

        consumed: items remembered as consumed, at most; beyond it a user's oldest are forgotten.
        window: event ids remembered per user, by which repeats are told (see `duplicates`).

        offset: of the last event taken in. count: events taken in that do not wait, so that of two states at one
        offset the one with an event that had waited is the higher, whoever wrote it; digest: the sum of their ids'
        keys, in any order, modulo 2**64. ids: all taken in, 0 for a user never seen; seen: the window of their
        keys. term, change: of the last change; place: where a recovery found the row, its complement where an
        older state came behind it (see Claim).
        """
        self.dtype = np.dtype(
            [
                ("offset", "<i8"),
                ("term", "<i8"),
                ("change", "<i8"),
                ("place", "<i8"),
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
        described = f"{TAIL_FORMAT} {model.name} {model.version} {self.dtype.descr!r} {space}"
        self.id = f"{crc32(described.encode()):08x}"

    def view(self, rows: Rows) -> npt.NDArray[Any]:
        """Rows of bytes (n, size) as structured rows (n,), sharing memory."""
        return rows.view(self.dtype)[:, 0]

    def term(self, record: bytes) -> int | None:
        """Of a row's last change, from a changelog record's value; None where that is no row of this layout."""
        if len(record) < self.size:
            return None
        return int(np.frombuffer(record, self.dtype, count=1)["term"][0])
