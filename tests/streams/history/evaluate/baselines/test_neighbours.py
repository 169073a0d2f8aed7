"""Neighbours by hand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from streams.history.evaluate.baselines.neighbours.co_visitation import CoVisitation
from streams.history.evaluate.baselines.neighbours.item_knn import ItemKNN
from streams.history.evaluate.baselines.neighbours.sessions import SessionKNN
from streams.history.evaluate.baselines.neighbours.tifu_knn import TifuKNN
from streams.history.evaluate.baselines.pairs import Pairs
from streams.history.evaluate.contender import Request
from tests.streams.history.evaluate.worlds import DAY_MS, visit

NOTHING = np.zeros(0, dtype=np.int64)


def asked(user: int, time: int) -> Request:
    return Request(user, time, 0, NOTHING)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_a_dictionary(seed: int) -> None:
    """Tables grow, are freed and taken again; the pool grows in the middle of a call."""
    draw, items = np.random.default_rng(seed), 200
    pairs, expected = Pairs(items), defaultdict[tuple[int, int], float](float)
    for _ in range(20):
        firsts, seconds = draw.integers(items, size=(2, 2000)) // draw.integers(1, 30, size=(2, 2000))
        amounts = draw.integers(1, 5, 2000).astype(np.float32)
        pairs.add(firsts, seconds, amounts)
        for first, second, amount in zip(firsts.tolist(), seconds.tolist(), amounts.tolist(), strict=True):
            expected[first, second] += amount
    for row in range(items):
        dense = np.array([expected.get((row, other), 0.0) for other in range(items)])
        assert pairs.spread(np.array([row]), np.array([2.0]), items).tolist() == (2 * dense).tolist()
    pairs.scale(0.5)
    assert pairs.spread(np.array([0]), np.ones(1), items)[0] == expected[0, 0] / 2


def test_item_knn_is_the_cosine_of_users() -> None:
    contender = ItemKNN(items=5, shrink=1.0)
    for user, rows in enumerate(([0, 1], [0, 1], [0, 2])):
        for row in rows:
            contender.learn(visit(user, user, [row]))
    contender.learn(visit(2, 9, [0, 2]))
    contender.learn(visit(3, 9, [0]))
    scores = contender._scores(asked(3, 10))
    # Users of 0: 4, of 1: 2, of 2: 1.
    assert scores[1] == pytest.approx(2 / np.sqrt((4 + 1) * (2 + 1)))
    assert scores[2] == pytest.approx(1 / np.sqrt((4 + 1) * (1 + 1)))
    assert scores[0] == scores[3] == 0


def test_co_visitation_goes_one_way_and_fades() -> None:
    contender = CoVisitation(
        items=6, window=2, fade=0.5, popularity=1.0, source=0.0, half_life_days=1.0, backward=0.0
    )
    for row in (0, 1, 2, 3):
        contender.learn(visit(0, 0, [row]))
    contender.learn(visit(1, DAY_MS, [1, 3]))
    contender.learn(visit(2, DAY_MS, [0]))
    contender.learn(visit(2, DAY_MS, [1]))
    scores = contender._scores(asked(2, DAY_MS))
    # Of 1: one place back, 2 and 3 follow it, and again 3 a half-life later; of 0: two places back.
    after_1 = np.array([0, 0, 1.0, 0.5 + 2.0, 0, 0])
    after_0 = np.array([0, 1.0 + 2.0, 0.5, 0, 0, 0])
    uses = np.array([2, 3, 1, 2, 1, 1])
    assert scores == pytest.approx((after_1 + 0.5 * after_0) / uses)


def test_co_visitation_keeps_its_order_over_many_half_lives() -> None:
    contender = CoVisitation(items=4, half_life_days=1.0)
    for day, user, rows in ((0, 0, [0, 1]), (0, 0, [0, 1]), (500, 1, [0, 2]), (530, 2, [0])):
        contender.learn(visit(user, day * DAY_MS, rows))
    scores = contender._scores(asked(2, 530 * DAY_MS))
    assert np.isfinite(scores).all()
    assert contender.rank(asked(2, 530 * DAY_MS), 10).tolist()[0] == 2


def test_sessions_vote_by_what_they_share() -> None:
    contender = SessionKNN(items=8, asked=2, fade=0.5, neighbours=2, length=1.0, rarity=0.0)
    contender.learn(visit(0, 0, [0, 1, 2]))
    contender.learn(visit(0, 1, [2, 3]))  # the same day, one session of four items
    contender.learn(visit(1, 0, [1, 4]))
    contender.learn(visit(2, 0, [0, 5]))
    contender.learn(visit(3, DAY_MS, [0]))
    contender.learn(visit(3, DAY_MS, [1]))
    scores = contender._scores(asked(3, DAY_MS))
    # Shared: 1 counts 1, 0 a half. Session of user 0: 1.5 / 4; of user 1: 1 / 2; of user 2: 0.5 / 2, left out.
    assert scores == pytest.approx([0.375, 0.875, 0.375, 0.375, 0.5, 0, 0, 0])
    # The day after, the own session counts too: 1.5 / 2.
    assert contender._scores(asked(3, 2 * DAY_MS))[:5] == pytest.approx([0.75, 0.75 + 0.5, 0, 0, 0.5])


def test_sessions_are_many() -> None:
    contender = SessionKNN(items=3, neighbours=3000, rarity=0.0, length=0.0)
    for user in range(2500):
        contender.learn(visit(user, user, [0, 1] if user % 2 else [0, 2]))
    contender.learn(visit(9999, 9 * DAY_MS, [0]))
    # The 500 latest sessions of item 0, the own one among them.
    assert contender._scores(asked(9999, 10 * DAY_MS)).tolist() == [500.0, 250.0, 249.0]


def test_tifu_knn_by_hand() -> None:
    contender = TifuKNN(items=5, refit_visits=5, neighbours=1, within=0.5, across=0.1, group=2, own=0.25)
    for time, user, rows in ((0, 0, [0]), (1, 0, [1]), (2, 0, [2]), (3, 1, [0, 3]), (4, 2, [4])):
        contender.learn(visit(user, time, rows))
    contender.rank(asked(0, 5), 1)
    own = contender._scores(asked(0, 5))
    # Three visits are two groups of two: the latest visit counts 1, then 0.5, then 0.1 in the next group.
    mine = np.array([0.1, 0.5, 1.0, 0, 0]) / 4
    # User 1: one visit, one group; the nearest of users 1 and 2, for it shares item 0.
    theirs = np.array([1.0, 0, 0, 1.0, 0]) / 2
    other = np.array([0, 0, 0, 0, 1.0]) / 2
    nearest = theirs if ((mine - theirs) ** 2).sum() < ((mine - other) ** 2).sum() else other
    assert own == pytest.approx(0.25 * mine + 0.75 * nearest)
    assert contender._scores(asked(9, 5)).tolist() == [0] * 5
