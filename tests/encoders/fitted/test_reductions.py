"""Every way to fewer dimensions does what its formula says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.fitted.moments import Moments, ProjectionError
from encoders.fitted.reductions import METHODS, reduction

WIDTH, DIM = 12, 5


def cloud(rows: int = 60, seed: int = 0) -> Any:
    """Spreads that lie well apart, so that every direction is determined."""
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]
    draws = np.linalg.qr(rng.standard_normal((rows, WIDTH)))[0] * np.sqrt(rows)
    return (draws * 2.0 ** -np.arange(WIDTH)) @ turned + rng.standard_normal(WIDTH)


@given(seed=st.integers(0, 2**32 - 1), whiten=st.sampled_from([0.0, 0.5, 1.0]), centred=st.booleans())
@settings(max_examples=60)
def test_moments_give_what_a_full_svd_of_the_vectors_gives(seed: int, whiten: float, centred: bool) -> None:
    vectors = cloud(seed=seed)
    moments = Moments(WIDTH)
    for batch in np.array_split(vectors, 4):
        moments.add(batch)
    mean, matrix = reduction(moments, DIM, "pca" if centred else "svd", whiten)
    shift = vectors.mean(axis=0) if centred else np.zeros(WIDTH)
    _, singular, directions = np.linalg.svd(vectors - shift, full_matrices=False)
    expected = directions[:DIM].T * (singular[:DIM] / singular[0]) ** -whiten
    expected *= np.sign((expected * matrix).sum(axis=0))
    np.testing.assert_allclose(mean, shift, atol=1e-12)
    np.testing.assert_allclose(matrix, expected, atol=1e-8 * np.abs(expected).max())


def test_random_keeps_angles_and_follows_its_seed() -> None:
    moments = Moments(400)
    _, matrix = reduction(moments, 256, "random", seed=3)
    rng = np.random.default_rng(0)
    pairs = rng.standard_normal((2, 200, 400)) / 20.0
    before, after = (pairs[0] * pairs[1]).sum(axis=1), ((pairs[0] @ matrix) * (pairs[1] @ matrix)).sum(axis=1)
    # The standard deviation of an inner product of unit vectors is 1 / sqrt(256) at most 1.5 times.
    assert np.abs(after - before).mean() < 1.5 / 16
    assert np.abs((pairs[0] @ matrix) ** 2).sum(axis=1).mean() == pytest.approx(1.0, abs=0.05)
    assert np.array_equal(matrix, reduction(moments, 256, "random", seed=3).matrix)
    assert not np.array_equal(matrix, reduction(moments, 256, "random", seed=4).matrix)


def test_truncate_keeps_the_first_dimensions() -> None:
    vectors = cloud()
    mean, matrix = reduction(Moments(WIDTH), DIM, "truncate")
    assert np.array_equal((vectors - mean) @ matrix, vectors[:, :DIM])


@pytest.mark.parametrize("method", ["random", "truncate"])
def test_whitening_needs_a_method_that_learns(method: str) -> None:
    with pytest.raises(ProjectionError, match="leave --whiten out"):
        reduction(Moments(WIDTH), DIM, method, whiten=0.5)


@pytest.mark.parametrize("whiten", [-0.1, 1.5, float("nan")])
def test_an_exponent_out_of_range_is_refused(whiten: float) -> None:
    with pytest.raises(ProjectionError, match=r"lies in \[0, 1\]"):
        reduction(Moments.of(cloud()), DIM, "pca", whiten)


def test_a_method_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(ProjectionError, match="there are: pca, svd, random, truncate"):
        reduction(Moments.of(cloud()), DIM, "umap")


@pytest.mark.parametrize("method", METHODS)
def test_no_method_makes_dimensions(method: str) -> None:
    with pytest.raises(ProjectionError, match="lower INTERESTFLOW_DIMENSIONS to 12"):
        reduction(Moments.of(cloud()), WIDTH + 1, method)


@pytest.mark.parametrize("value", [0.1, 1e-3, 0.0])
def test_equal_vectors_have_no_direction(value: float) -> None:
    """0.1 has no exact mean, so that rounding looks like a spread."""
    moments = Moments(WIDTH)
    for rows in (20, 7, 30):
        moments.add(np.full((rows, WIDTH), value))
    with pytest.raises(ProjectionError, match="same vector"):
        reduction(moments, DIM)
