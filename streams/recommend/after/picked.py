"""Which candidates make a user's list, and what they got beside the ranker's logit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.kernels.compiling import compiled
from streams.kernels.requests.choosing import top
from streams.recommend.base import Floats, Mask, Rows


@dataclass(frozen=True, slots=True)
class Picked:
    """n candidates, best first.

    places: (n,) among the candidates. scores: (n,) not rising. terms: by name, (n,) what was added to the logits.
    propensities: (n,) with which probability each would stand in the list; None where nothing was left to chance.
    """

    places: Rows
    scores: Floats
    terms: Mapping[str, Floats]
    propensities: Floats | None = None

    def only(self, kept: Mask) -> Picked:
        """Those of a mask (n,)."""
        return Picked(
            self.places[kept],
            self.scores[kept],
            {name: term[kept] for name, term in self.terms.items()},
            None if self.propensities is None else self.propensities[kept],
        )


def best(scores: Floats, k: int) -> Rows:
    """(n,) places of the k largest scores (c,), n = min(k, c): the largest first, of equal ones the first place."""
    if compiled() and k < len(scores):
        first: Rows = top(scores, np.arange(len(scores), dtype=np.int32), k).astype(np.int32)
        return first
    places = np.arange(len(scores))
    if len(scores) > k:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    order: Rows = places[np.argsort(-scores[places], kind="stable")][:k].astype(np.int32)
    return order
