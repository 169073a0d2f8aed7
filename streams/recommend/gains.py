"""How well a list foretold what was used: discounted gains (DCG) of its first places."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

# Items of a list that the gain looks at, and that a hit may be among.
SHORT, LONG = 10, 20
GAINS = [1 / math.log2(place + 2) for place in range(SHORT)]
IDEALS = [sum(GAINS[:count]) for count in range(SHORT + 1)]


def places(listed: Sequence[int], wanted: Collection[int]) -> list[int]:
    """Places, from 0, of what was wanted."""
    return [place for place, row in enumerate(listed) if row in wanted]


def gain_of(found: Sequence[int]) -> float:
    """Sum of 1 / log2(place + 2) of these places within the first ten."""
    return sum(GAINS[place] for place in found if place < SHORT)


def ideal(wanted: int) -> float:
    """The highest gain of a list where so many items were wanted."""
    return IDEALS[min(SHORT, wanted)]
