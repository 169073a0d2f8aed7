"""The projection: centred, whitened, versioned, and stable to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from encoders.fitted.moments import Moments
from encoders.fitted.projection import ProjectedEncoder, Projection, ProjectionError
from encoders.text.hashing import HashingEncoder


def cloud(rows: int = 200, width: int = 12, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    spread = np.linspace(3, 0.2, width)
    return (rng.standard_normal((rows, width)) * spread + 5.0).astype(np.float32)


@given(batch=st.integers(1, 40), start=st.integers(0, 100))
@settings(max_examples=40)
def test_a_row_has_the_same_bits_in_any_batch(batch: int, start: int) -> None:
    vectors = cloud()
    projection = Projection.fit(vectors, 6)
    some = projection.apply(vectors[start : start + batch])
    for row in range(len(some)):
        assert np.array_equal(some[row], projection.apply(vectors[start + row : start + row + 1])[0])


@pytest.mark.parametrize(("whiten", "spread"), [(0.0, 3.0), (1.0, 1.0)])
def test_full_whitening_evens_the_spread_out(whiten: float, spread: float) -> None:
    vectors = cloud(4000).astype(np.float64)
    projection = Projection.fit(vectors.astype(np.float32), 6, whiten)
    raw = (vectors - projection.mean) @ projection.matrix
    deviations = raw.std(axis=0)
    assert raw.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-3)
    assert deviations[0] / deviations[5] == pytest.approx(
        spread if whiten == 0 else 1.0, rel=0.6 if whiten == 0 else 0.01
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    projection = Projection.fit(cloud(), 6, source="hashing@1")
    projection.save(tmp_path / "deep" / "p.safetensors")
    again = Projection.load(tmp_path / "deep" / "p.safetensors")
    assert again.version == projection.version
    assert again.metadata == {"method": "pca", "whiten": 0.5, "source": "hashing@1", "rows": 200}
    assert np.array_equal(again.apply(cloud()), projection.apply(cloud()))


def test_a_file_of_before_there_were_methods_is_still_read(tmp_path: Path) -> None:
    """Written as it was then; the version is the one that it had."""
    mean, matrix = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 2.0], [0.25, -0.5]])
    about = {
        "format": "interestflow-projection-1",
        "version": "07528e174f100648",
        "about": json.dumps({"whiten": 0.5, "source": "hashing@1", "rows": 200}),
    }
    save_file({"mean": mean, "matrix": matrix}, tmp_path / "p.safetensors", metadata=about)
    projection = Projection.load(tmp_path / "p.safetensors")
    (row,) = projection.apply(np.array([[1.5, 0.0, 2.0]], dtype=np.float32))
    assert row == pytest.approx(np.array([1.0, 2.0]) / np.sqrt(5))
    assert projection.metadata["rows"] == 200


def test_the_version_follows_the_content() -> None:
    versions = {
        Projection.fit(cloud(), 6, 0.5).version,
        Projection.fit(cloud(), 6, 1.0).version,
        Projection.fit(cloud(seed=1), 6, 0.5).version,
    }
    assert len(versions) == 3
    assert Projection.fit(cloud(), 6).version == Projection.fit(cloud(), 6).version


def test_too_few_items_say_how_many_are_needed() -> None:
    with pytest.raises(ProjectionError, match="load more than 6"):
        Projection.fit(cloud(rows=6), 6)


def test_broken_vectors_are_refused() -> None:
    vectors = cloud()
    vectors[3, 3] = np.nan
    with pytest.raises(ProjectionError, match="NaN"):
        Projection.fit(vectors, 6)
    with pytest.raises(ProjectionError, match="same vector"):
        Projection.fit(np.ones((50, 8), dtype=np.float32), 4)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(ProjectionError, match="takes 12 dimensions"):
        ProjectedEncoder(HashingEncoder(16), Projection.fit(cloud(), 6))


def test_directions_without_spread_do_not_blow_up() -> None:
    vectors = cloud()
    vectors[:, 6:] = 1.0
    projected = Projection.fit(vectors, 10, 1.0).apply(vectors)
    assert np.isfinite(projected).all()
    assert np.linalg.norm(projected, axis=1) == pytest.approx(np.ones(200), abs=1e-5)


@pytest.mark.parametrize("method", ["svd", "random", "truncate"])
def test_what_is_saved_by_any_method_is_applied_alike(tmp_path: Path, method: str) -> None:
    projection = Projection.of(Moments.of(cloud()), 6, method)
    projection.save(tmp_path / "p.safetensors")
    again = Projection.load(tmp_path / "p.safetensors")
    assert again.metadata["method"] == method
    assert np.array_equal(again.apply(cloud()), projection.apply(cloud()))
    assert np.linalg.norm(again.apply(cloud()), axis=1) == pytest.approx(np.ones(200), abs=1e-5)
