"""A user's state as a row of fixed size: a header, the interest model's state and a ring of recent item events."""

from __future__ import annotations

import numpy as np

from streams.interest.base import InterestModel
from streams.state.layout import Layout
from streams.state.users.tails import TAIL_FORMAT

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

DEPENDS_ON = "model, half-life, encoder, projection, dimension, history length or window of event ids"


class UserLayout(Layout):
    """How a user's state is laid out for one model and one history length."""

    def __init__(
        self, model: InterestModel, history: int, space: str, consumed: int = 2000, window: int = 16
    ) -> None:
        """history: item events in the ring.

        space: identity of the vector space (encoder, revision, projection): states of two never mix, and neither do
        those of two versions of the model, whose half-lives are in every sum.
        consumed: items remembered as consumed, at most; beyond it a user's oldest are forgotten.
        window: ids of recent events, by which duplicates are recognised (see `duplicates`).
        """
        dtype = np.dtype(
            [
                ("offset", "<i8"),
                ("term", "<i8"),
                ("change", "<i8"),
                ("place", "<i8"),
                ("count", "<i8"),
                # Sum of the keys of the events applied, modulo 2**64: the same in whatever order they came.
                ("digest", "<u8"),
                ("ids", "<i8"),
                # Ring of the keys of the last `window` events.
                ("seen", "<u8", (window,)),
                ("rating_sum", "<f8"),
                ("rating_count", "<i8"),
                ("model", model.state_dtype()),
                ("history", HISTORY_DTYPE, (history,)),
            ]
        )
        self.history, self.consumed = history, consumed
        super().__init__(
            dtype, f"{TAIL_FORMAT} {model.name} {model.version} {dtype.descr!r} {space}", DEPENDS_ON
        )
