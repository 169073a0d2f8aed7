"""A user's state as a row of fixed size: a header, the interest model's state and a ring of recent item events."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.interest.base import InterestModel
from streams.state.built_with import BuiltWith
from streams.state.layout import Layout
from streams.state.users.variable_parts import TAIL_FORMAT

HISTORY_DTYPE = np.dtype(
    [
        ("item", "<u8"),
        ("time", "<i8"),
        ("weight", "<f4"),
        ("ordinal", "<u4"),
        ("action", "<u4"),
        # 1 where the user chose the item: the weight of the action itself is above 0.
        ("chosen", "<u4"),
    ]
)

# What was shown to a user and waits for an answer, in the order of the log; zeros behind the last.
SHOWN_DTYPE = np.dtype(
    [
        ("item", "<u8"),
        ("time", "<i8"),
        # Offset in the canonical topic of the state that the list was made of; -1 where unknown.
        ("list", "<i8"),
        # Checksum of the name of the source that the item was credited to.
        ("source", "<u4"),
        ("place", "<u2"),
        ("arm", "<u2"),
    ]
)

DEPENDS_ON = (
    "model, half-life, encoder, projection, dimension, history length, window of event ids "
    "or impressions remembered"
)

# Names that fields had first. A layout's id is made of these, so that states of before are read as they are.
FIRST_NAMES = {
    "epoch": "term",
    "sequence": "change",
    "record_offset": "place",
    "applied": "count",
    "accepted": "ids",
    "recent_ids": "seen",
    "chosen": "_pad",
}


def named_first(dtype: np.dtype[Any]) -> list[Any]:
    """The dtype's description, with the names that its fields had first."""
    return _named_first(dtype.descr)


def _named_first(fields: list[Any]) -> list[Any]:
    nested = [
        (name, _named_first(kind) if isinstance(kind, list) else kind, *shape)
        for name, kind, *shape in fields
    ]
    return [(FIRST_NAMES.get(name, name), *rest) for name, *rest in nested]


class UserLayout(Layout):
    """How a user's state is laid out for one model and one history length."""

    def __init__(
        self,
        model: InterestModel,
        history: int,
        space: str,
        consumed: int = 2000,
        window: int = 16,
        shown: int = 0,
        built_with: BuiltWith | None = None,
    ) -> None:
        """history: item events in the ring.

        space: identity of the vector space (encoder, revision, projection): states of two never mix, and neither do
        those of two versions of the model, whose half-lives are in every sum.
        consumed: items remembered as consumed, at most; beyond it a user's oldest are forgotten.
        window: ids of recent events, by which duplicates are recognised (see `duplicates`).
        shown: impressions that wait for an answer.
        built_with: the settings that all this comes of.
        """
        dtype = np.dtype(
            [
                ("offset", "<i8"),
                ("epoch", "<i8"),
                ("sequence", "<i8"),
                ("record_offset", "<i8"),
                ("applied", "<i8"),
                # Sum of the keys of the events applied, modulo 2**64: the same in whatever order they came.
                ("digest", "<u8"),
                ("accepted", "<i8"),
                # Ring of the keys of the last `window` events.
                ("recent_ids", "<u8", (window,)),
                ("rating_sum", "<f8"),
                ("rating_count", "<i8"),
                ("model", model.state_dtype()),
                ("history", HISTORY_DTYPE, (history,)),
                *([("shown", SHOWN_DTYPE, (shown,))] if shown else []),
            ]
        )
        self.history, self.consumed = history, consumed
        described = f"{TAIL_FORMAT} {model.name} {model.version} {named_first(dtype)!r} {space}"
        super().__init__(dtype, described, DEPENDS_ON, built_with)
