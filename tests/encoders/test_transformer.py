"""The transformer: meaning, independence of the batch, and what it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.base import counts
from encoders.cache import CachedEncoder
from encoders.projection import ProjectedEncoder, Projection
from encoders.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert

NEAR = [
    ("red running shoes for women", "ladies' jogging trainers in red"),
    ("porcelain tea cup", "china mug for hot drinks"),
    ("garden watering can", "plant sprinkler for outdoor flowers"),
    ("birthday greeting card", "postcard with happy returns"),
]
# Short and long in turns, so that batches pad and cut.
TEXTS = [text * times for pair in NEAR for text, times in zip(pair, (1, 6), strict=True)]


@pytest.fixture(scope="module")
def demo() -> TransformerEncoder:
    return TransformerEncoder("demo", device="cpu", token_budget=128)


@pytest.fixture
def tiny(tmp_path: Path) -> Any:
    """Makes a small encoder with random weights."""
    folder = make_bert(tmp_path)
    return lambda **options: TransformerEncoder(str(folder), device="cpu", **options)


def test_a_sentence_is_nearest_to_the_one_that_means_the_same(demo: TransformerEncoder) -> None:
    one, other = (demo.encode([pair[side] for pair in NEAR]) for side in (0, 1))
    assert (one @ other.T).argmax(axis=1).tolist() == list(range(len(NEAR)))


def test_a_real_vector_does_not_depend_on_its_batch(demo: TransformerEncoder) -> None:
    together = demo.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        assert together[row] == pytest.approx(demo.encode([text])[0], abs=1e-6)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    assert demo.encode([TEXTS[at] for at in order]) == pytest.approx(together[order], abs=1e-6)


def test_an_english_model_does_not_know_chinese_and_counts_it(demo: TransformerEncoder) -> None:
    before = demo.stats.unknown
    demo.encode(["red shoes"])
    assert demo.stats.unknown == before
    demo.encode(["馬鞋襪"])
    assert demo.stats.unknown > before


def test_what_lies_behind_the_limit_is_not_read_and_is_counted(tiny: Any) -> None:
    encoder = tiny(max_length=8)
    short, long, longer = encoder.encode(["the mug", "the " * 6 + "mug", "the " * 6 + "red shoes mug"])
    assert encoder.stats.truncated == 2
    assert long == pytest.approx(longer, abs=1e-6) == encoder.encode(["the " * 6])[0]
    assert np.abs(short - long).max() > 1e-3


def test_the_limit_is_never_beyond_the_models_own(tiny: Any) -> None:
    encoder = tiny(max_length=10_000)
    assert encoder.max_length == 64
    assert np.isfinite(encoder.encode(["mug " * 500])).all()


@pytest.mark.parametrize(("budget", "padding"), [(10_000, 5), (1, 0)])
def test_padding_is_counted(tiny: Any, budget: int, padding: int) -> None:
    """Together, one text of 3 tokens is padded to the other's 8; apart, none is."""
    encoder = tiny(token_budget=budget)
    encoder.encode(["mug", "the the the the the the"])
    assert (encoder.stats.texts, encoder.stats.tokens, encoder.stats.padding) == (2, 11, padding)


def test_counts_are_found_through_projection_and_cache(tiny: Any) -> None:
    raw = tiny()
    projection = Projection.fit(raw.encode([f"mug {n}" for n in range(20)]), 4)
    encoder = CachedEncoder(ProjectedEncoder(raw, projection), 10)
    encoder.encode(["red mug", "red mug"])
    found = counts(encoder)
    assert found["cache"] == {"hit": 1, "miss": 1, "evicted": 0}
    assert found["tokens"] == {
        "encoded": raw.stats.tokens,
        "padding": raw.stats.padding,
        "truncated": 0,
        "unknown": 0,
    }
