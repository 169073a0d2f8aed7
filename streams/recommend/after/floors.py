"""Groups of items that get a share of all places at least: a category, an author, or items that are hardly used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.recommend.after.caps import Room
from streams.recommend.after.facts import Facts
from streams.recommend.after.picked import Picked, best
from streams.recommend.base import Floats, Mask

FLOOR = "floor"
# The group of items that are hardly used; another one is named ATTRIBUTE:VALUE.
COLD_ITEMS = "cold"
# A group that lacks much gets at most so many times its share of one list.
CATCH_UP = 2


@dataclass(slots=True)
class Exposure:
    """Which share of places each of G groups had, over about the last `window` places of all lists.

    Of one process, in memory: it begins anew with it.
    """

    groups: Sequence[str]
    window: int
    places: float = 0.0
    had: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        # Another thread may read it: its keys never change.
        self.had = dict.fromkeys(self.groups, 0.0)

    def add(self, members: Mask) -> None:
        """A list was made. members: (G, n) true where its n items belong to the groups."""
        kept, n = (1 - 1 / self.window) ** members.shape[1], members.shape[1]
        self.places = kept * self.places + n
        for group, count in zip(self.groups, members.sum(axis=1).tolist(), strict=True):
            self.had[group] = kept * self.had[group] + count

    def shares(self) -> dict[str, float]:
        """By group; nothing before the first list."""
        return {group: had / self.places for group, had in self.had.items()} if self.places else {}

    def lacking(self, group: str, share: float, n: int) -> int:
        """Of a list of n places, how many the group needs so that it has its share."""
        needed = math.ceil(share * (self.places + n) - self.had[group] - 1e-6)
        return max(0, min(needed, math.ceil(CATCH_UP * share * n)))


class Floors:
    """exposure: of all lists so far."""

    def __init__(self, shares: Mapping[str, float], window: int) -> None:
        """shares: by group, 0 to see its exposure alone."""
        self.shares, self.exposure = shares, Exposure(tuple(shares), window)

    @property
    def lifts(self) -> bool:
        """True where a group has a share that must be kept."""
        return any(self.shares.values())

    def members(self, facts: Facts) -> Mask:
        """(G, c) true where a candidate belongs to a group."""
        return np.stack([_members(group, facts) for group in self.shares])

    def reserve(self, picked: Picked, scores: Floats, members: Mask, room: Room) -> tuple[Picked, list[int]]:
        """The list without its last items, as many as the groups lack; and the places of those that replace them.

        The first item stays, and of a group only what it has beyond its share goes. scores: (c,) of all candidates.
        """
        head, tail = picked.places.tolist(), list[int]()
        wanted = [self.exposure.lacking(group, share, len(head)) for group, share in self.shares.items()]
        order = best(scores, len(scores))
        for number, target in enumerate(wanted):
            has = int(members[number, head + tail].sum())
            for place in order[members[number, order]].tolist():
                if has >= target or (gone := _spare(head, tail, members, wanted)) is None:
                    break
                if place in head or place in tail:
                    continue
                room.give_back(gone)
                if room.fits(place):
                    room.take(place)
                    head.remove(gone)
                    tail.append(place)
                    has += 1
                else:
                    room.take(gone)
        return picked.only(np.isin(picked.places, head)), tail


def _spare(head: Sequence[int], tail: Sequence[int], members: Mask, wanted: Sequence[int]) -> int | None:
    """The last of the list, but the first item, that no group needs."""
    has = members[:, [*head, *tail]].sum(axis=1)
    needed = members[has <= np.array(wanted)].any(axis=0)
    return next((place for place in reversed(head[1:]) if not needed[place]), None)


def _members(group: str, facts: Facts) -> Mask:
    if group == COLD_ITEMS:
        return facts.cold
    name, _, value = group.partition(":")
    code = facts.attributes.code(name, value)
    found = (code in facts.attributes.of(name, row) for row in facts.rows.tolist())
    return np.fromiter(found, dtype=np.bool_, count=len(facts.rows))


def appended(picked: Picked, tail: Sequence[int], scores: Floats) -> Picked:
    """The list with these places behind it, the better ones first, none of a higher score than what stands before."""
    places = np.array(sorted(tail, key=lambda place: -scores[place]), dtype=np.int32)
    own = scores[places]
    settled = np.minimum(own, picked.scores[-1])
    nothing = np.zeros(len(places), dtype=np.float32)
    terms = {name: np.concatenate((term, nothing)) for name, term in picked.terms.items()}
    terms[FLOOR] = np.concatenate((np.zeros(len(picked.places), dtype=np.float32), settled - own))
    known = picked.propensities
    return Picked(
        np.concatenate((picked.places, places)),
        np.concatenate((picked.scores, settled)),
        terms,
        None if known is None else np.concatenate((known, nothing + np.float32(1))),
    )
