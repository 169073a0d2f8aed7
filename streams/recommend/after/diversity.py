"""Lists whose items differ: maximal marginal relevance (Carbonell and Goldstein, 1998)."""

from __future__ import annotations

import numpy as np

from streams.recommend.after.caps import Room
from streams.recommend.after.facts import Facts
from streams.recommend.after.picked import Picked, best
from streams.recommend.base import Floats

DIVERSITY = "diversity"
# Candidates that are looked at for each place of a list, from the best on; where caps are set, all are.
PER_PLACE = 5


def diverse(scores: Floats, facts: Facts, k: int, strength: float, room: Room) -> Picked:
    """At most k of the candidates, each the best of those left: by its score less strength times its largest cosine
    with an item taken before it.

    A cosine below 0 counts as 0, so that what is taken never rises. Of equal ones the better candidate is taken.
    scores: (c,) of the candidates. room: what is taken takes its room.
    """
    among = best(scores, len(scores) if room else PER_PLACE * k)
    directions = _unit(facts.vectors[facts.rows[among]])
    values = scores[among].copy()
    nearest = np.zeros(len(among), dtype=np.float32)
    left = np.ones(len(among), dtype=np.bool_)
    taken: list[int] = []
    while len(taken) < k and left.any():
        one = int(np.argmax(np.where(left, values, -np.inf)))
        left[one] = False
        if not room.fits(place := int(among[one])):
            continue
        room.take(place)
        taken.append(one)
        nearest = np.where(left, np.maximum(nearest, directions @ directions[one]), nearest)
        values = np.where(left, scores[among] - np.float32(strength) * nearest, values)
    found = values[taken]
    return Picked(among[taken], found, {DIVERSITY: found - scores[among][taken]})


def _unit(vectors: Floats) -> Floats:
    """Rows of length 1, or zeros."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    unit: Floats = (vectors / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)
    return unit
