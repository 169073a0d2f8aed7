"""The moments of vectors seen in any batches are those of all of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.fitted.moments import Moments, ProjectionError

WIDTH = 7


def cloud(rows: int, seed: int, offset: float = 0.0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, WIDTH)) * np.linspace(2, 0.1, WIDTH) + offset


@given(
    rows=st.integers(1, 80),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    seed=st.integers(0, 2**32 - 1),
    offset=st.sampled_from([0.0, 1.0, -1e3]),
)
@settings(max_examples=100)
def test_neither_the_cut_nor_the_order_of_batches_matters(
    rows: int, cuts: list[int], seed: int, offset: float
) -> None:
    vectors = cloud(rows, seed, offset)
    batches = np.split(vectors, sorted(min(cut, rows) for cut in cuts))
    np.random.default_rng(seed).shuffle(batches)
    moments = Moments(WIDTH)
    for batch in batches:
        moments.add(batch)
    mean = vectors.mean(axis=0)
    assert moments.count == rows
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.scatter, (vectors - mean).T @ (vectors - mean), rtol=1e-9, atol=1e-9)


@given(left=st.integers(0, 40), right=st.integers(0, 40), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_merged_moments_are_those_of_both(left: int, right: int, seed: int) -> None:
    vectors = cloud(left + right, seed)
    one, other, both = Moments.of(vectors[:left]), Moments.of(vectors[left:]), Moments.of(vectors)
    before = other.count, other.mean.copy(), other.scatter.copy()
    one.merge(other)
    assert one.count == both.count
    np.testing.assert_allclose(one.mean, both.mean, atol=1e-12)
    np.testing.assert_allclose(one.scatter, both.scatter, atol=1e-10)
    np.testing.assert_allclose(one.about_zero(), vectors.T @ vectors, atol=1e-10)
    assert other.count == before[0]
    assert np.array_equal(other.mean, before[1])
    assert np.array_equal(other.scatter, before[2])


def test_a_far_mean_costs_no_digits() -> None:
    """The difference of two sums of squares would leave nothing of a spread of 1 at a distance of 1e9."""
    vectors = np.round(cloud(1000, 0) * 16) / 16
    near, far = Moments(WIDTH), Moments(WIDTH)
    for at in range(0, 1000, 50):
        near.add(vectors[at : at + 50])
        far.add(vectors[at : at + 50] + 1e9)
    np.testing.assert_allclose(far.scatter, near.scatter, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("batch", "match"),
    [(np.full((2, WIDTH), np.inf), "check the encoder"), (np.zeros((2, WIDTH + 1)), "one encoder")],
)
def test_a_batch_that_is_refused_changes_nothing(batch: Any, match: str) -> None:
    moments = Moments.of(cloud(20, 1))
    before = moments.mean.copy(), moments.scatter.copy()
    with pytest.raises(ProjectionError, match=match):
        moments.add(batch)
    assert moments.count == 20
    assert np.array_equal(moments.mean, before[0])
    assert np.array_equal(moments.scatter, before[1])


def test_moments_of_another_width_do_not_merge() -> None:
    with pytest.raises(ProjectionError, match="do not fit"):
        Moments(3).merge(Moments(4))
