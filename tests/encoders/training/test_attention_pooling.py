"""Attention over a history: learns which items matter, and is the mean of all before it has learnt anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError
from encoders.training.attention_pooling import NONE, AttentionPooling, Training

ITEMS, DIM, LENGTH = 40, 8, 6
SHORT = Training(epochs=10, batch=32, negatives=20, rate=0.05)


def items() -> Any:
    vectors = np.random.default_rng(0).standard_normal((ITEMS, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def histories(rows: int, seed: int = 0) -> Any:
    """Of 1 to LENGTH items."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, ITEMS, (rows, LENGTH))
    found[np.arange(LENGTH) < LENGTH - rng.integers(1, LENGTH + 1, rows)[:, None]] = NONE
    return found


def random_pooling(seed: int = 1) -> AttentionPooling:
    rng = np.random.default_rng(seed)
    made = (rng.standard_normal(shape).astype(np.float32) for shape in ((DIM, DIM), (DIM, DIM), LENGTH))
    return AttentionPooling(*made)


def test_untrained_it_is_the_mean() -> None:
    zeros = [np.zeros(shape, dtype=np.float32) for shape in ((DIM, DIM), (DIM, DIM), (LENGTH,))]
    past, vectors = histories(20), items()
    for row, pooled in zip(past, AttentionPooling(*zeros).pool(vectors, past), strict=True):
        mean = vectors[row[row != NONE]].mean(axis=0)
        assert pooled == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_what_is_trained_in_torch_is_applied_in_numpy() -> None:
    import torch

    from encoders.training.attention_pooling import _Model

    pooling, past = random_pooling(), histories(50)
    model = _Model(DIM, LENGTH, 0.1)
    with torch.no_grad():
        for name in ("affinity", "value", "recency"):
            getattr(model, name).copy_(torch.from_numpy(getattr(pooling, name)))
        expected = model(torch.from_numpy(items()), torch.from_numpy(past)).numpy()
    np.testing.assert_allclose(pooling.pool(items(), past), expected, atol=1e-5)


@given(padding=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_places_before_the_first_item_change_nothing(padding: int, seed: int) -> None:
    pooling = random_pooling()
    past = np.random.default_rng(seed).integers(0, ITEMS, (3, LENGTH - padding))
    padded = np.concatenate([np.full((3, padding), NONE), past], axis=1)
    np.testing.assert_allclose(pooling.pool(items(), padded), pooling.pool(items(), past), atol=1e-6)


def test_it_learns_that_only_the_third_last_item_counts() -> None:
    """What comes next is always the third last again; the mean cannot tell, attention by recency can."""
    vectors, past = items(), np.random.default_rng(3).integers(0, ITEMS, (500, LENGTH))
    targets = past[:, -3]
    trained = AttentionPooling.fit(vectors, past[:400], targets[:400], SHORT)
    fresh = past[400:]
    cosines = (trained.pool(vectors, fresh) * vectors[targets[400:]]).sum(axis=1)
    best = (trained.pool(vectors, fresh) @ vectors.T).argmax(axis=1) == targets[400:]
    assert trained.recency.argmax() == 2
    assert cosines.mean() > 0.8
    assert best.mean() > 0.8


def test_the_seed_decides() -> None:
    def made(seed: int) -> AttentionPooling:
        past = histories(200)
        return AttentionPooling.fit(
            items(), past, past[:, -1], Training(epochs=2, batch=32, negatives=8, seed=seed)
        )

    np.testing.assert_allclose(made(0).affinity, made(0).affinity, atol=1e-6)
    assert not np.allclose(made(0).affinity, made(1).affinity, atol=1e-4)


def test_an_empty_history_is_zero_and_all_others_are_unit_rows() -> None:
    past = histories(9)
    past[4] = NONE
    norms = np.linalg.norm(random_pooling().pool(items(), past), axis=1)
    assert norms[4] == 0.0
    assert np.delete(norms, 4) == pytest.approx(np.ones(8), abs=1e-5)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    pooling, past = random_pooling(), histories(10)
    pooling.save(tmp_path / "deep" / "pooling.safetensors")
    again = AttentionPooling.load(tmp_path / "deep" / "pooling.safetensors")
    assert np.array_equal(again.pool(items(), past), pooling.pool(items(), past))
    (tmp_path / "deep" / "pooling.safetensors").write_bytes(b"hello")
    for path in (tmp_path / "deep" / "pooling.safetensors", tmp_path / "none"):
        with pytest.raises(EncoderError, match="train and save one"):
            AttentionPooling.load(path)


WRONG: dict[str, Any] = {
    "a gap": [[0, NONE, 1, 2, 3, 4]],
    "names an item that is none": [[0, 1, 2, 3, 4, ITEMS]],
    "takes up to 6 vectors": [[0] * 7],
}


@pytest.mark.parametrize("match", sorted(WRONG))
def test_wrong_histories_are_refused(match: str) -> None:
    with pytest.raises(EncoderError, match=match):
        random_pooling().pool(items(), np.array(WRONG[match]))


def test_wrong_targets_are_refused() -> None:
    past = histories(4)
    for targets in (np.zeros(3, dtype=np.int64), np.full(4, ITEMS)):
        with pytest.raises(EncoderError, match="target"):
            AttentionPooling.fit(items(), past, targets)
