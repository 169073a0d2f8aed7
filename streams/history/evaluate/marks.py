"""Marks of one answer: how well it foretold a visit, and what kind of items it named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.contender import Rows
from streams.history.evaluate.memory import Memory
from streams.items.layout import COLD_BELOW
from streams.recommend.gains import LONG, SHORT, gain_of, ideal, places

# Share of the user's own taste in the list's, so that the divergence stays finite (Steck, RecSys 2018).
SMOOTHING = 0.01

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one visit; the fields are the columns of `Judged.marks`.

    Each target is a question of its own, all of a visit with the same answer: a target at place p (from 1) of the list
    gains 1 / log2(p + 1) within the first ten. So large baskets count by what is in them.

    targets: how many. gain: their gains. hits10, hits20: how many are in the list. reciprocal: sum of 1 / p within 20.
    list_ndcg: NDCG@10 of the visit as a whole, its ideal being min(10, targets) targets first. list_hit: 1 where any
    target is within 20. user_events: of the user before the visit. cold_targets, cold_hits: targets with one or two
    uses, and those of them within 20. new_targets: targets that nobody has used, which are misses. popularity,
    target_popularity: mean uses of the items named, of the targets. novelty: mean self-information of the items named,
    bits. calibration: Kullback-Leibler divergence of the list's categories from the user's, nats; NaN without any.
    """

    targets: float
    gain: float
    hits10: float
    hits20: float
    reciprocal: float
    list_ndcg: float
    list_hit: float
    user_events: float
    cold_targets: float
    cold_hits: float
    new_targets: float
    popularity: float
    target_popularity: float
    novelty: float
    calibration: float


COLUMNS = tuple(field.name for field in fields(Marks))


def mark(ranked: Rows, targets: Rows, user: int, memory: Memory) -> tuple[float, ...]:
    """The marks, in the order of COLUMNS, of a list (<= k,) for a visit with targets (n,), at least one.

    memory: as it was before the visit.
    """
    listed = ranked[:LONG].tolist()
    found = places(listed, set(targets.tolist()))
    gain = gain_of(found)
    return (
        len(targets),
        gain,
        sum(place < SHORT for place in found),
        len(found),
        sum(1 / (place + 1) for place in found),
        gain / ideal(len(targets)),
        bool(found),
        memory.events[user],
        *_coldness(listed, targets, memory),
        *_kind(ranked[:LONG], targets, user, memory),
    )


def _coldness(listed: Sequence[int], targets: Rows, memory: Memory) -> tuple[float, float, float]:
    """cold_targets, cold_hits, new_targets."""
    uses = memory.uses[targets].tolist()
    cold = [row for row, known in zip(targets.tolist(), uses, strict=True) if 0 < known < COLD_BELOW]
    return len(cold), sum(row in listed for row in cold), uses.count(0)


def _kind(named: Rows, targets: Rows, user: int, memory: Memory) -> tuple[float, ...]:
    """popularity, target_popularity, novelty, calibration."""
    uses, wanted = memory.uses[named], int(memory.uses[targets].sum()) / len(targets)
    if not len(named):
        return math.nan, wanted, math.nan, math.nan
    novelty = math.log2(memory.total) - float(np.log2(uses).sum()) / len(named)
    divergent = divergence(memory.taste(user), memory.categories[named])
    return int(uses.sum()) / len(named), wanted, novelty, divergent


def divergence(taste: Doubles, listed: Doubles) -> float:
    """KL divergence of the list's categories (k, C) from the user's (C,), nats; NaN where either has none."""
    if not len(taste):
        return math.nan
    total, named = taste.sum(), listed.sum(axis=0)
    whole = named.sum()
    if not total or not whole:
        return math.nan
    some = taste > 0
    wanted = taste[some] / total
    given = (1 - SMOOTHING) * named[some] / whole + SMOOTHING * wanted
    return float((wanted * np.log(wanted / given)).sum())


def ratio(part: float, whole: float) -> float:
    """NaN where there is nothing to divide by."""
    return float(part) / float(whole) if whole else math.nan
