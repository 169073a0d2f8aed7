"""Counts by hand."""

from __future__ import annotations

import numpy as np

from streams.history.evaluate.baselines.counting.own import OwnFrequency
from streams.history.evaluate.baselines.counting.popularity import DecayedPopularity, Popularity
from streams.history.evaluate.baselines.histories import DecayedCounts
from streams.history.evaluate.contender import Contender, Request
from tests.streams.history.evaluate.worlds import DAY_MS, visit

NOTHING = np.zeros(0, dtype=np.int64)


def ranked(contender: Contender, user: int, day: float) -> list[int]:
    return contender.rank(Request(user, int(day * DAY_MS), 0, NOTHING), 10).tolist()  # type: ignore[no-any-return]


def test_popularity_counts_and_decayed_popularity_forgets() -> None:
    ever, lately = Popularity(items=5), DecayedPopularity(items=5, half_life_days=1.0)
    for contender in (ever, lately):
        for user in range(3):
            contender.learn(visit(user, 0, [1]))
        contender.learn(visit(0, 10 * DAY_MS, [2]))
    assert ranked(ever, 0, 10) == [1, 2]
    assert ranked(lately, 0, 10) == [2, 1]


def test_what_was_not_chosen_is_no_use() -> None:
    contender = Popularity(items=5)
    contender.learn(visit(0, 0, [1, 2], [-1.0, 1.0]))
    contender.learn(visit(0, 1, [1], [-1.0]))
    assert ranked(contender, 0, 1) == [2, 1]


def test_own_uses_stand_before_popular_items() -> None:
    contender = OwnFrequency(items=6, half_life_days=10.0, popular_half_life_days=10.0)
    for day, row in ((0, 1), (0, 1), (30, 2)):
        contender.learn(visit(0, day * DAY_MS, [row]))
    for user in (1, 2, 3):
        contender.learn(visit(user, 30 * DAY_MS, [3]))
    # Two uses of item 1, each worth an eighth of that of item 2.
    assert ranked(contender, 0, 30) == [2, 1, 3]
    assert ranked(contender, 9, 30) == [3, 2, 1]
    # However long ago the own uses are.
    assert set(ranked(contender, 0, 1e6)[:2]) == {1, 2}


def test_decayed_counts_survive_any_time() -> None:
    counts = DecayedCounts(3, DAY_MS)
    counts.add(np.array([0]), 0)
    counts.add(np.array([1]), 400 * DAY_MS)
    counts.add(np.array([0, 2]), 100_000 * DAY_MS)
    counts.add(np.array([2]), 100_001 * DAY_MS)
    assert np.isfinite(counts.values).all()
    assert counts.values[2] == 3 * counts.values[0] > 0
    assert counts.values[1] < counts.values[0]
