"""Prequential next-item ranking: judge what a user does next, then learn it; the whole catalog is ranked.

Each wanted item of a judged visit is one target. Its rank counts the items that score higher, and of those that
score the same (shops have items with one text) the ones that come earlier in a seeded order. Where users take
nothing twice, what they took before is out of the ranking. NDCG@10 is 1 / log2(rank + 2) for ranks 0 to 9, else 0
(one relevant item); HR@10 is 1 or 0. Source: Dawid, Prequential Analysis, JRSS A 1984, for judging before learning.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.bench.projections.history import History, Rounds
from streams.interest.base import Floats, Longs, Signals
from streams.interest.decay import DecayModel, HalfLife
from streams.interest.rounds import schedule
from streams.settings.sections.interest import InterestSettings

Doubles = npt.NDArray[np.float64]
TOP = 10
CHUNK = 256
RESAMPLES = 1000


def decayed(found: History, by_visit: Rounds, vectors: Floats) -> Floats:
    """(V, dim) the product's interest vector before each visit, with its default half-lives."""
    model = _model(vectors.shape[1])
    states = np.zeros(int(found.users.max()) + 1, dtype=model.state_dtype())
    interests = np.zeros((len(by_visit.first), model.dim), dtype=np.float32)
    for part in by_visit.slices():
        events, visits = by_visit.order[part], by_visit.visit[part]
        begins, at = np.unique(visits, return_index=True)
        interests[begins] = model.interest(states[found.users[events[at]]]).vectors[:, 0]
        plan = schedule(found.users[events])
        ordered = events[plan.order]
        signals = Signals(
            plan.starts,
            plan.users,
            found.times[ordered],
            found.weights[ordered],
            vectors[found.rows[ordered]],
            found.rows[ordered],
        )
        touched = states[plan.touched]
        model.update(touched, signals)
        states[plan.touched] = touched
    return interests


def _model(dim: int) -> DecayModel:
    default = InterestSettings()
    return DecayModel(
        dim,
        HalfLife(default.short_half_life, default.short_half_life_unit),
        HalfLife(default.long_half_life, default.long_half_life_unit),
        default.short_share,
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be foretold: (T,) visit, item row and user of each target, by visit.

    consumed: what the user of a visit took before it, where nothing is taken twice.
    """

    visits: Longs
    rows: Longs
    users: Longs
    consumed: dict[int, Longs]


def targets(found: History, by_visit: Rounds) -> Targets:
    """Of all judged visits; an item that a visit names twice is one target."""
    order = by_visit.order
    chosen = found.wanted[order] & by_visit.judged[by_visit.visit]
    pairs = np.unique(np.stack([by_visit.visit[chosen], found.rows[order[chosen]]], axis=1), axis=0)
    visits, rows = pairs[:, 0], pairs[:, 1]
    users = found.users[order[by_visit.first[visits]]]
    consumed = {} if found.source.repeats else _consumed(found, by_visit)
    if consumed:
        new = np.array([row not in consumed[visit] for visit, row in pairs.tolist()], dtype=bool)
        visits, rows, users = visits[new], rows[new], users[new]
    return Targets(visits, rows, users, consumed)


def _consumed(found: History, by_visit: Rounds) -> dict[int, Longs]:
    taken: dict[int, set[int]] = defaultdict(set)
    consumed: dict[int, Longs] = {}
    bounds = np.append(by_visit.first, len(by_visit.order))
    for visit, judged in enumerate(by_visit.judged.tolist()):
        events = by_visit.order[bounds[visit] : bounds[visit + 1]]
        user = int(found.users[events[0]])
        if judged:
            consumed[visit] = np.fromiter(taken[user], dtype=np.int64)
        taken[user].update(found.rows[events[found.wanted[events]]].tolist())
    return consumed


def ranks(wanted: Targets, queries: Floats, items: Floats, seed: int) -> Longs:
    """(T,) rank of each target, from 0. queries (V, dim) by visit, items (n, dim) by row; scores are their products."""
    ties = np.random.default_rng(seed).permutation(len(items))
    visits, starts = np.unique(wanted.visits, return_index=True)
    bounds = np.append(starts, len(wanted.visits)).tolist()
    found = np.empty(len(wanted.visits), dtype=np.int64)
    for at in range(0, len(visits), CHUNK):
        for number, scores in enumerate(queries[visits[at : at + CHUNK]] @ items.T, start=at):
            part = slice(bounds[number], bounds[number + 1])
            rows = wanted.rows[part]
            if len(taken := wanted.consumed.get(int(visits[number]), ())):
                scores[taken] = -np.inf
            own = scores[rows][:, None]
            equal = (scores == own) & (ties < ties[rows][:, None])
            found[part] = ((scores > own) | equal).sum(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """A measure of all targets, with the interval that holds 95 % of the resamples of the users."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Per user (U,): sums of NDCG@10 and HR@10 over the user's targets, and how many those are."""

    ndcg: Doubles
    hits: Doubles
    counts: Doubles


def judge(wanted: Targets, found: Longs) -> Judged:
    """The targets' ranks (T,) as sums by user."""
    gains = np.where(found < TOP, 1.0 / np.log2(found + 2.0), 0.0)
    users = np.unique(wanted.users, return_inverse=True)[1]
    measured = (gains, (found < TOP).astype(np.float64), np.ones(len(found)))
    ndcg, hits, counts = (np.bincount(users, weights).astype(np.float64) for weights in measured)
    return Judged(ndcg, hits, counts)


def bootstrap(sums: Doubles, counts: Doubles, seed: int) -> Score:
    """Mean per target; whole users are drawn again (Efron and Tibshirani, An Introduction to the Bootstrap, 1993)."""
    rng = np.random.default_rng(seed)
    users = len(counts)
    drawn = rng.multinomial(users, np.full(users, 1.0 / users), size=RESAMPLES)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), (0.025, 0.975))
    return Score(float(sums.sum() / counts.sum()), float(low), float(high))
