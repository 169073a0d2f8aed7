"""Places of a list that are filled by chance, with the probability of each item in it."""

from __future__ import annotations

import numpy as np

from streams.recommend.after.picked import Picked
from streams.recommend.base import Floats, Longs

EXPLORATION = "exploration"


def explore(picked: Picked, scores: Floats, others: Longs, share: float, seed: int) -> Picked:
    """Fill share * n places of a list of n by other candidates, each as likely as any other.

    The best item stays first. Drawn ones take places by chance behind it, and so many of the last of the list go. Where
    share * n is no whole number, chance decides too, so that it is kept on average. A drawn item has the score of the
    item before it, by a term of its own. scores: (c,) of all candidates. others: places of those that may be drawn,
    none in the list. seed: decides all that is left to chance.
    """
    random, n = np.random.default_rng(seed), len(picked.places)
    # A list may be empty where no score is a number.
    wanted = min(share * n, max(n - 1, 0), len(others))
    number = int(wanted) + int(random.random() < wanted - int(wanted))
    slots = 1 + random.choice(n - 1, number, replace=False) if number else np.zeros(0, dtype=np.int64)
    # Of each place: which of the list stands there, or -1.
    order = np.zeros(n, dtype=np.int64)
    order[slots] = -1
    listed = order >= 0
    order[listed] = np.arange(n - number)
    places = picked.places[order].copy()
    places[~listed] = random.choice(others, number, replace=False)
    settled = picked.scores[np.maximum.accumulate(order)]
    terms = {name: np.where(listed, term[order], np.float32(0)) for name, term in picked.terms.items()}
    terms[EXPLORATION] = np.where(listed, np.float32(0), settled - scores[places])
    return Picked(places, settled, terms, _propensities(order, n, len(others), wanted))


def _propensities(order: Longs, n: int, others: int, wanted: float) -> Floats:
    """Of the list the first n - wanted are certain; the next one depends on whether one more is drawn."""
    fraction = wanted - int(wanted)
    stays = np.where(order < n - int(wanted) - (fraction > 0), 1.0, 1.0 - fraction)
    found: Floats = np.where(order >= 0, stays, wanted / max(others, 1)).astype(np.float32)
    return found
