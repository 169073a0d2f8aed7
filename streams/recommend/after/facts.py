"""What the steps behind the ranker know of a request's candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.recommend.attributes import Attributes
from streams.recommend.base import Floats, Mask, Queries, Rows


@dataclass(frozen=True, slots=True)
class Facts:
    """c candidates.

    rows: (c,) catalog rows. cold: (c,) true for items that are hardly used. shown: (c,) how often the user was shown
    each lately without using it, decayed. vectors: (items, dim) by catalog row. attributes: by catalog row.
    """

    rows: Rows
    cold: Mask
    shown: Floats
    vectors: Floats
    attributes: Attributes


def shown_counts(queries: Queries, user: int, rows: Rows, wanted: bool) -> Floats:
    """`Facts.shown` of the rows (c,); zeros where nobody wants it or nothing is remembered."""
    if not wanted or queries.shown_rows is None or queries.shown_counts is None:
        return np.zeros(len(rows), dtype=np.float32)
    counts = dict(zip(queries.shown_rows[user].tolist(), queries.shown_counts[user].tolist(), strict=True))
    return np.array([counts.get(row, 0.0) for row in rows.tolist()], dtype=np.float32)
