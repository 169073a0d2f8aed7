"""Columns, scores and gradients: what they are, and the same bits compiled and in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.kernels.compiling import compiled, numpy_only
from streams.recommend.learned import arithmetic
from streams.recommend.learned.columns import Columns, Feature

SIGNED = np.array([False, True, False, True, False])


def drawn(seed: int, count: int) -> Any:
    """(5, c) scores of many sizes, of which some are NaN, one feature is 0 and one does not vary."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((5, count)) * 10.0 ** random.integers(-6, 7, (5, 1))
    scores[random.random(scores.shape) < 0.2] = np.nan
    scores[2], scores[3] = 0, 7.3
    return scores.astype(np.float32)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 70))
@examples(max_examples=60, deadline=None)
def test_numpy_gives_the_same_bits(seed: int, count: int) -> None:
    assert compiled()
    scores = drawn(seed, count)
    weights = np.random.default_rng(seed).standard_normal(11).astype(np.float32)
    targets = np.eye(1, count, dtype=np.float32)[0]

    def computed() -> list[bytes]:
        columns = arithmetic.columns(scores, SIGNED)
        logits = arithmetic.weighed(columns, weights)
        return [
            array.tobytes() for array in (columns, logits, *arithmetic.gradient(columns, logits, targets))
        ]

    first = computed()
    with numpy_only():
        assert computed() == first


def test_a_score_becomes_three_columns_over_the_requests_own_candidates() -> None:
    score = np.array([[0.0, 1.0, 2.0, np.nan, 7.0]], dtype=np.float32)
    ratio = np.array([0, 1, 2, 0, 7]) / 2.0
    columns = arithmetic.columns(score, np.array([False]))
    np.testing.assert_allclose(columns[0], (ratio - ratio.mean()) / ratio.std(), rtol=1e-5)
    for column, logs in ((columns[1], np.log1p(ratio)), (columns[2], np.log(ratio + 0.02))):
        np.testing.assert_allclose(column, logs - logs.mean(), rtol=1e-5, atol=1e-6)


def test_a_signed_score_becomes_its_z_score() -> None:
    score = np.array([[-1.0, 0.5, np.nan, 2.0]], dtype=np.float32)
    plain = np.array([-1.0, 0.5, 0.0, 2.0])
    columns = arithmetic.columns(score, np.array([True]))
    np.testing.assert_allclose(columns, [(plain - plain.mean()) / plain.std()], rtol=1e-5)


def test_what_does_not_vary_says_nothing() -> None:
    flat = np.full((2, 7), 0.1, dtype=np.float32)
    columns = arithmetic.columns(flat, np.array([False, True]))
    assert (columns == 0).all()


def test_the_gradient_is_that_of_a_softmax() -> None:
    columns = arithmetic.columns(drawn(1, 30), SIGNED)
    weights = np.random.default_rng(2).standard_normal(len(columns)) * 0.3
    targets = np.zeros(30)
    targets[[4, 9]] = 0.5

    def loss(weights: Any) -> float:
        logits = weights @ columns.astype(np.float64)
        return float(np.log(np.exp(logits).sum()) - targets @ logits)

    steps = np.eye(len(weights)) * 1e-6
    expected = [(loss(weights + step) - loss(weights - step)) / 2e-6 for step in steps]
    logits = arithmetic.weighed(columns, weights.astype(np.float32))
    errors, found = arithmetic.gradient(columns, logits, targets.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert abs(errors.sum()) < 1e-5


def test_columns_have_names_and_groups() -> None:
    columns = Columns((Feature("a", "one", start=0.5), Feature("b", "one", signed=True), Feature("c", "two")))
    assert columns.names == ("a.z", "a.log1p", "a.log", "b.z", "c.z", "c.log1p", "c.log")
    assert columns.groups == ("one", "two")
    np.testing.assert_array_equal(columns.by_group(np.ones((7, 2), np.float32)), [[4, 4], [3, 3]])
    assert columns.start.tolist() == [0.5, 0, 0, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="stand together"):
        Columns((Feature("a", "one"), Feature("b", "two"), Feature("c", "one")))
