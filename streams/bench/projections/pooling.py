"""The last items of a user as one vector instead of the decayed sum of all: their mean, or learned attention."""

from __future__ import annotations

from collections import defaultdict, deque

import numpy as np

from encoders.training.attention_pooling import NONE, AttentionPooling, Training
from streams.bench.projections.history import History, Rounds
from streams.interest.base import Floats, Longs

LENGTH = 16
# Next items that attention learns from, drawn evenly from the first half.
EXAMPLES = 40_000


def recent(found: History, by_visit: Rounds) -> Longs:
    """(V, LENGTH) rows of the last items that the user took before each visit, oldest first, aligned right."""
    last: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=LENGTH))
    rows = np.full((len(by_visit.first), LENGTH), NONE, dtype=np.int64)
    bounds = np.append(by_visit.first, len(by_visit.order))
    for visit in range(len(rows)):
        events = by_visit.order[bounds[visit] : bounds[visit + 1]]
        past = last[int(found.users[events[0]])]
        if past:
            rows[visit, -len(past) :] = past
        past.extend(found.rows[events[found.wanted[events]]].tolist())
    return rows


def mean_of_last(found: History, by_visit: Rounds, vectors: Floats) -> Floats:
    """(V, dim): attention before any training."""
    dim = vectors.shape[1]
    untrained = AttentionPooling(*(np.zeros(shape, np.float32) for shape in ((dim, dim), (dim, dim), LENGTH)))
    return untrained.pool(vectors, recent(found, by_visit))


def attention(found: History, by_visit: Rounds, vectors: Floats, seed: int) -> Floats:
    """(V, dim): trained on what came next in the first half of the stream, which is not judged."""
    past = recent(found, by_visit)
    order = by_visit.order
    early = found.times[order] < found.times[len(found.times) // 2]
    chosen = early & found.wanted[order] & (past[by_visit.visit, -1] != NONE)
    picked = np.flatnonzero(chosen)
    if len(picked) > EXAMPLES:
        picked = np.sort(np.random.default_rng(seed).choice(picked, EXAMPLES, replace=False))
    visits, targets = by_visit.visit[picked], found.rows[order[picked]]
    return AttentionPooling.fit(vectors, past[visits], targets, Training(seed=seed)).pool(vectors, past)
