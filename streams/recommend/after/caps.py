"""At most so many items of one category, author or other attribute in a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from streams.recommend.after.facts import Facts
from streams.recommend.after.picked import best
from streams.recommend.base import Floats, Rows


class Room:
    """What the caps leave for one list. An item counts for each of its values; one without the attribute for none."""

    def __init__(self, caps: Mapping[str, int], facts: Facts) -> None:
        """caps: attribute -> items of one value at most."""
        self._caps, self._facts = caps, facts
        self._taken: Counter[tuple[str, int]] = Counter()

    def __bool__(self) -> bool:
        """True where there are caps."""
        return bool(self._caps)

    def take(self, place: int) -> None:
        """Put a candidate into the list."""
        self._taken.update(self._values(place))

    def give_back(self, place: int) -> None:
        """Take it out."""
        self._taken.subtract(self._values(place))

    def fits(self, place: int) -> bool:
        """True where there is room for this candidate."""
        return all(self._taken[value] < self._caps[value[0]] for value in self._values(place))

    def _values(self, place: int) -> list[tuple[str, int]]:
        attributes, row = self._facts.attributes, int(self._facts.rows[place])
        return [(name, value) for name in self._caps for value in attributes.of(name, row)]


def best_within(scores: Floats, k: int, room: Room, without: Iterable[int] = ()) -> Rows:
    """(n,) places of the best scores (c,) that fit together, best first, at most k; each takes its room.

    Of equal scores the first place is taken. without: places that are passed over.
    """
    left, found = set(without), list[int]()
    for place in best(scores, len(scores)).tolist():
        if len(found) == k:
            break
        if place not in left and room.fits(place):
            room.take(place)
            found.append(place)
    return np.array(found, dtype=np.int32)
