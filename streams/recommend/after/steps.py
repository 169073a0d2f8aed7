"""All steps after the ranker, as the settings say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.recommend.after.dislikes import without_disliked
from streams.recommend.after.diversity import DIVERSITY, diverse
from streams.recommend.after.exploration import EXPLORATION, explore
from streams.recommend.after.picked import Picked, best
from streams.recommend.base import Floats, Mask, Queries, Rows

COLD = "cold"


@dataclass(frozen=True, slots=True)
class Steps:
    """What happens to lists; nothing by default.

    cold: added to the logit of items that are hardly used. diversity: strength of `diverse`.
    exploration: share of the places that `explore` fills, 0 to 1. dislikes: true to leave out what is disliked.
    """

    cold: float = 0.0
    diversity: float = 0.0
    exploration: float = 0.0
    dislikes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms that these steps make."""
        steps = ((COLD, self.cold), (DIVERSITY, self.diversity), (EXPLORATION, self.exploration))
        return tuple(name for name, strength in steps if strength)

    def before(self, queries: Queries) -> Queries:
        """What the sources are asked."""
        return without_disliked(queries) if self.dislikes else queries

    def pick(self, logits: Floats, rows: Rows, cold: Mask, vectors: Floats, k: int, seed: int) -> Picked:
        """At most k of the candidates, at least one.

        logits, rows, cold: (c,) of each; cold: true for items that are hardly used. vectors: (items, dim) by catalog
        row. seed: of what is left to chance.
        """
        lifts = np.where(cold, np.float32(self.cold), np.float32(0))
        scores = logits + lifts if self.cold else logits
        if self.diversity:
            picked = diverse(scores, rows, vectors, k, self.diversity)
        else:
            places = best(scores, k)
            picked = Picked(places, scores[places], {})
        if self.exploration:
            picked = explore(picked, scores, self.exploration, seed)
        if self.cold:
            picked = Picked(
                picked.places,
                picked.scores,
                {COLD: lifts[picked.places], **picked.terms},
                picked.propensities,
            )
        return picked
