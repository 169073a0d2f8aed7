"""Fitted models against their formulas, and online ones by what they must learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.history.evaluate.baselines.content import Content
from streams.history.evaluate.baselines.factors import ease
from streams.history.evaluate.baselines.factors.als import ImplicitALS
from streams.history.evaluate.baselines.factors.bpr import OnlineBPR
from streams.history.evaluate.baselines.factors.ease import Ease
from streams.history.evaluate.baselines.factors.ratings import OnlineRatings
from streams.history.evaluate.contender import Request, Visit
from tests.streams.history.evaluate.worlds import DAY_MS, visit

NOTHING = np.zeros(0, dtype=np.int64)
BASKETS = ([0, 1, 2], [0, 1], [1, 2, 3], [3, 4], [0, 4, 2])


def asked(user: int, time: int) -> Request:
    return Request(user, time, 0, NOTHING)


def teach(contender: Any) -> None:
    for user, rows in enumerate(BASKETS):
        contender.learn(visit(user, user, rows))
    # It is fitted when it is asked.
    contender.rank(asked(0, len(BASKETS)), 1)


def test_ease_is_the_closed_form() -> None:
    contender = Ease(items=5, refit_visits=5, regularization=2.0, half_life_events=1.0)
    teach(contender)
    x = np.zeros((5, 5))
    for user, rows in enumerate(BASKETS):
        x[user, rows] = 1
    p = np.linalg.inv(x.T @ x + 2.0 * np.eye(5))
    b = np.eye(5) - p / np.diag(p)
    expected = np.array([0.25, 0.5, 1.0, 0, 0]) @ b
    assert contender._scores(asked(0, 9)) == pytest.approx(expected, abs=1e-5)


def test_old_uses_count_less_in_the_fit() -> None:
    contender = Ease(items=3, refit_visits=2, regularization=1.0, half_life_days=1.0, half_life_events=0.0)
    contender.learn(visit(0, 0, [0, 1]))
    contender.learn(visit(1, DAY_MS, [0, 2]))
    contender.rank(asked(1, DAY_MS), 1)
    x = np.array([[0.5, 0.5, 0], [1.0, 0, 1.0]])
    p = np.linalg.inv(x.T @ x + np.eye(3))
    expected = np.array([1.0, 0, 1.0]) @ (np.eye(3) - p / np.diag(p))
    assert contender._scores(asked(1, DAY_MS)) == pytest.approx(expected, abs=1e-5)


def test_a_large_catalog_is_cut_to_the_popular_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "MOST_ITEMS", 3)
    contender = Ease(items=50, refit_visits=5)
    teach(contender)
    scores = contender._scores(asked(0, 9))
    # The three items with most uses; of 0, 1 and 2 with three each and 3 and 4 with two.
    assert np.flatnonzero(scores).tolist() == [0, 1, 2]
    assert len(contender.rank(asked(0, 9), 10)) == 5


def test_als_folds_the_user_in() -> None:
    pytest.importorskip("implicit", exc_type=ImportError)
    contender = ImplicitALS(
        items=5, refit_visits=5, factors=3, alpha=4.0, regularization=0.1, half_life_events=1.0
    )
    teach(contender)
    contender.learn(visit(0, 9, [4]))
    y = contender._item_factors.astype(np.float64)
    confidence = 1.0 + 4.0 * np.array([0.125, 0.25, 0.5, 0, 1.0])
    used = np.array([1.0, 1, 1, 0, 1])
    weights = np.where(used, confidence, 1.0)
    solved = np.linalg.solve((y.T * weights) @ y + 0.1 * np.eye(3), y.T @ (weights * used))
    assert contender._scores(asked(0, 10)) == pytest.approx(y @ solved, abs=1e-4)


def test_bpr_learns_who_likes_what() -> None:
    contender = OnlineBPR(items=20, factors=8, rate=0.1)
    draw = np.random.default_rng(0)
    for time in range(3000):
        user = time % 10
        contender.learn(visit(user, time, [int(draw.integers(10)) + 10 * (user % 2)]))
    for user in (0, 1):
        best = contender.rank(asked(user, 4000), 10)
        assert (best // 10 == user).mean() >= 0.9


def rating(user: int, time: int, row: int, value: float) -> Visit:
    one = visit(user, time, [row])
    return Visit(user, time, one.rows, one.weights, np.array([value], dtype=np.float32), one.chosen)


def test_ratings_are_foretold_within_their_scale() -> None:
    contender = OnlineRatings(items=12, factors=4)
    draw = np.random.default_rng(0)
    assert contender.predict(0, 0) == 0.0
    errors = []
    for time in range(4000):
        user, row = int(draw.integers(8)), int(draw.integers(12))
        value = 3.0 + (1.0 if row % 2 else -1.0) + (0.5 if user % 2 else -0.5)
        errors.append(abs(contender.predict(user, row) - value))
        contender.learn(rating(user, time, row, value))
    assert np.mean(errors[-500:]) < 0.15
    assert all(1.5 <= contender.predict(user, row) <= 4.5 for user in range(9) for row in range(12))


def test_a_wild_value_does_not_throw_the_model() -> None:
    contender = OnlineRatings(items=3)
    for time, value in enumerate([1.0, 2.0, 1e6, 3.0, np.nan, np.inf, 2.0] * 20):
        contender.learn(rating(time % 2, time, time % 3, value))
    assert np.isfinite([contender.predict(user, row) for user in (0, 1, 5) for row in range(3)]).all()


def test_content_is_the_cosine_to_the_decayed_sum() -> None:
    vectors = np.array([[2, 0], [0, 1], [1, 1], [0, 0]], dtype=np.float32)
    contender = Content(items=4, vectors=vectors, half_life_events=1.0, half_life_days=1.0)
    contender.learn(visit(0, 0, [0, 1]))
    contender.learn(visit(0, DAY_MS, [1]))
    # Item 0: 1/2 by the next use, then 1/2 by the third, 1/2 by the day; item 1: 1/4 and 1.
    total = np.array([0.125, 0.25 + 1.0])
    total /= np.linalg.norm(total)
    expected = [total[0], total[1], total.sum() / np.sqrt(2), 0]
    assert contender._scores(asked(0, DAY_MS)) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="one per item, 3"):
        Content(items=3, vectors=vectors)


def test_what_nobody_asks_is_not_fitted() -> None:
    fits: list[int] = []

    class Told(Ease):
        def _fit(self, now: int) -> None:
            fits.append(now)
            super()._fit(now)

    contender = Told(items=5, refit_visits=2)
    teach(contender)
    assert fits == [5]
    contender.learn(visit(0, 6, [1]))
    contender.rank(asked(0, 7), 1)
    # One visit since: too few.
    assert fits == [5]
    contender.learn(visit(0, 8, [2]))
    contender.rank(asked(0, 9), 1)
    assert fits == [5, 9]
