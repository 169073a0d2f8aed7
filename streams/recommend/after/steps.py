"""All steps after the ranker, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.recommend.after.caps import Room, best_within
from streams.recommend.after.dislikes import without_disliked
from streams.recommend.after.diversity import DIVERSITY, diverse
from streams.recommend.after.exploration import EXPLORATION, explore
from streams.recommend.after.facts import Facts
from streams.recommend.after.floors import COLD_ITEMS, FLOOR, Floors, appended
from streams.recommend.after.picked import Picked, best
from streams.recommend.base import Floats, Longs, Mask, Queries
from streams.settings.sections.ranking import RankingSettings

COLD, SHOWN = "cold", "shown"


@dataclass(frozen=True, slots=True)
class Steps:
    """What happens to lists; nothing by default.

    cold: added to the logit of items that are hardly used. shown: taken from it for each time that the user was shown
    the item lately. diversity: strength of `diverse`. exploration: share of the places that `explore` fills, 0 to 1.
    dislikes: true to leave out what is disliked. caps: see `Room`. floors: None for no groups.
    """

    cold: float = 0.0
    diversity: float = 0.0
    exploration: float = 0.0
    dislikes: bool = False
    shown: float = 0.0
    caps: Mapping[str, int] = field(default_factory=dict)
    floors: Floors | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms that these steps make."""
        lifted = self.floors is not None and self.floors.lifts
        steps = (
            *((COLD, self.cold), (SHOWN, self.shown)),
            *((DIVERSITY, self.diversity), (EXPLORATION, self.exploration), (FLOOR, lifted)),
        )
        return tuple(name for name, strength in steps if strength)

    @property
    def asks_for_cold(self) -> bool:
        """True where it matters which items are hardly used."""
        return bool(self.cold) or (self.floors is not None and COLD_ITEMS in self.floors.shares)

    def before(self, queries: Queries) -> Queries:
        """What the sources are asked."""
        return without_disliked(queries) if self.dislikes else queries

    def pick(self, logits: Floats, facts: Facts, k: int, seed: int) -> Picked:
        """At most k of the candidates, at least one. logits: (c,). seed: of what is left to chance."""
        lifts = self._lifts(facts)
        # Added one by one, as they always were.
        scores = logits
        for lift in lifts.values():
            scores = scores + lift
        room, tail, members = Room(self.caps, facts), list[int](), None
        picked = self._best(scores, facts, k, room)
        if self.floors is not None:
            members = self.floors.members(facts)
            if self.floors.lifts:
                picked, tail = self.floors.reserve(picked, scores, members, room)
        if self.exploration:
            others = _others(scores, [*picked.places.tolist(), *tail], room)
            picked = explore(picked, scores, others, self.exploration, seed)
        if self.floors is not None and self.floors.lifts:
            picked = appended(picked, tail, scores)
        self._saw(members, picked)
        terms = {**{name: lift[picked.places] for name, lift in lifts.items()}, **picked.terms}
        return Picked(picked.places, picked.scores, terms, picked.propensities)

    def _lifts(self, facts: Facts) -> dict[str, Floats]:
        """(c,) what is added to each logit, by term."""
        found: dict[str, Floats] = {}
        if self.cold:
            found[COLD] = np.where(facts.cold, np.float32(self.cold), np.float32(0))
        if self.shown:
            found[SHOWN] = np.float32(-self.shown) * facts.shown
        return found

    def _best(self, scores: Floats, facts: Facts, k: int, room: Room) -> Picked:
        if self.diversity:
            return diverse(scores, facts, k, self.diversity, room)
        places = best_within(scores, k, room) if room else best(scores, k)
        return Picked(places, scores[places], {})

    def _saw(self, members: Mask | None, picked: Picked) -> None:
        if self.floors is not None and members is not None:
            self.floors.exposure.add(members[:, picked.places])


def _others(scores: Floats, listed: Sequence[int], room: Room) -> Longs:
    """Candidates beside the list; with caps the best that fit together with it, whatever of it goes."""
    if room:
        return best_within(scores, len(scores), room, without=listed).astype(np.int64)
    return np.setdiff1d(np.arange(len(scores)), listed)


def steps_of(ranking: RankingSettings) -> Steps:
    """As the settings say."""
    floors = ranking.floor_shares()
    return Steps(
        cold=ranking.cold_bias,
        diversity=ranking.diversity,
        exploration=ranking.exploration,
        dislikes=ranking.exclude_disliked,
        shown=ranking.shown_penalty,
        caps=ranking.cap_sizes(),
        floors=Floors(floors, ranking.floor_window) if floors else None,
    )
