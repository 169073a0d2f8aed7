"""What the steps behind the ranker know of a request's candidates."""

from __future__ import annotations

from dataclasses import dataclass

from streams.recommend.attributes import Attributes
from streams.recommend.base import Floats, Mask, Rows


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
