"""Fusions: fitted, saved, refused, and learned from what goes together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.fitted.fusion import FusionError, GatedFusion, LateFusion, fit_projected
from encoders.media.content import PICTURE, TEXT
from encoders.training.fusion_training import Recipe, RowPair, quality, train

WEIGHTS = {TEXT: 1.0, PICTURE: 1.0}
SOURCES = {TEXT: "hashing@1", PICTURE: "pictures@1"}
QUICK = Recipe(epochs=8, batch=128, rate=8e-3)


def units(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def world(seed: int = 0) -> tuple[dict[str, Any], list[RowPair]]:
    """600 items of 30 subjects; the text tells the subject in a few of its dimensions, the picture says nothing."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(0, 30, 600)
    text = rng.standard_normal((600, 24)) * 0.8
    text[:, :8] += rng.standard_normal((30, 8))[subject] * 1.2
    parts = {TEXT: units(text), PICTURE: units(rng.standard_normal((600, 20)))}
    parts[PICTURE][rng.random(600) < 0.2] = 0.0
    alike = [np.flatnonzero(subject == subject[row]) for row in range(600)]
    drawn = [
        (row, int(rng.choice(alike[row])), n) for n, row in enumerate(rng.integers(0, 600, 1500).tolist())
    ]
    return parts, [pair for pair in drawn if pair[0] != pair[1]]


def fitted(dim: int = 16, seed: int = 0) -> GatedFusion:
    return fit_projected(world(seed)[0], WEIGHTS, dim, SOURCES)


def test_training_learns_that_a_medium_is_noise() -> None:
    parts, pairs = world()
    known, stopping, held_out = pairs[:1000], pairs[1000:1100], pairs[1100:]
    late, start = LateFusion({TEXT: 24, PICTURE: 20}, WEIGHTS), fitted()
    learned = train(start, parts, known, stopping, QUICK)
    before, middle, after = (quality(fusion, parts, held_out, QUICK) for fusion in (late, start, learned))
    assert after.recall > 1.5 * max(before.recall, middle.recall)
    assert after.loss < min(before.loss, middle.loss) - 0.3
    again = train(start, parts, known, stopping, QUICK)
    assert again.version == learned.version
    # A text alone still finds what belongs to it.
    texts = {TEXT: parts[TEXT], PICTURE: np.zeros_like(parts[PICTURE])}
    assert quality(learned, texts, held_out, QUICK).recall > max(before.recall, middle.recall)


def test_where_nothing_can_be_learned_the_start_is_kept() -> None:
    parts, pairs = world()
    start = fitted()
    rng = np.random.default_rng(5)
    noise = [(int(a), int(b), n) for n, (a, b) in enumerate(rng.integers(0, 600, (200, 2)))]
    best = train(start, parts, noise, pairs[:200], Recipe(epochs=3, patience=1, rate=0.5))
    assert best.version == start.version


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(FusionError, match="too few"):
        train(fitted(), world()[0], [(0, 1, 0)], [(1, 2, 1)])


def test_without_a_gate_it_is_the_principal_components_of_the_media_side_by_side() -> None:
    """All of them keep every inner product of the centred, weighted blocks, but for the scale."""
    parts, _ = world()
    parts = {medium: vectors[parts[PICTURE].any(axis=1)] for medium, vectors in parts.items()}
    space = fit_projected(parts, {TEXT: 3.0, PICTURE: 1.0}, 44, SOURCES, whiten=0.0).fuse(parts)
    blocks = [
        vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64) for vectors in parts.values()
    ]
    blocks = [block / np.sqrt((block**2).sum() / len(block)) for block in blocks]
    expected = units(np.concatenate([blocks[0] * np.sqrt(0.75), blocks[1] * np.sqrt(0.25)], axis=1))
    assert np.allclose(space @ space.T, expected @ expected.T, atol=1e-4)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    fusion = fitted()
    fusion.save(tmp_path / "deep" / "f.safetensors")
    again = GatedFusion.load(tmp_path / "deep" / "f.safetensors")
    assert (again.version, again.metadata, again.sources) == (fusion.version, fusion.metadata, SOURCES)
    assert np.array_equal(again.fuse(world()[0]), fusion.fuse(world()[0]))
    assert fitted().version == fusion.version != fitted(seed=1).version


def test_what_it_cannot_be_fitted_from_is_refused_with_advice() -> None:
    parts, _ = world()
    with pytest.raises(FusionError, match="load more than 600"):
        fit_projected(parts, WEIGHTS, 600, SOURCES)
    with pytest.raises(FusionError, match="no item has a picture"):
        fit_projected({**parts, PICTURE: np.zeros_like(parts[PICTURE])}, WEIGHTS, 4, SOURCES)
    with pytest.raises(FusionError, match=r"is of text \(24 dimensions\), picture \(20"):
        fitted().fuse({TEXT: parts[TEXT]})
