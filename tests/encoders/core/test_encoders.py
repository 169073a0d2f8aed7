"""What each encoder does beyond the contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from encoders.core.base import EncoderError
from encoders.serving.cache import CachedEncoder
from encoders.text.hashing import HashingEncoder
from tests.encoders.tiny import make_bert


def test_shared_words_are_nearer() -> None:
    red, also_red, other = HashingEncoder(256).encode(["red running shoes", "red shoes", "kitchen mug"])
    assert red @ also_red > 0.5 > red @ other


def test_the_hashing_space_is_the_same_everywhere() -> None:
    assert np.flatnonzero(HashingEncoder(8).encode(["a"])[0]).tolist() == [0, 7]


def test_the_cache_encodes_each_text_once_and_keeps_the_bits() -> None:
    inner = HashingEncoder(16)
    cached = CachedEncoder(inner, 3)
    first = cached.encode(["a", "b", "a"])
    assert (cached.hits, cached.misses) == (1, 2)
    assert np.array_equal(first, inner.encode(["a", "b", "a"]))
    assert np.array_equal(cached.encode(["b", "c", "d", "e"]), inner.encode(["b", "c", "d", "e"]))
    assert len(cached) == 3
    assert np.array_equal(cached.encode(["a", "e"]), inner.encode(["a", "e"]))


def test_the_cache_forgets_the_least_recently_used() -> None:
    cached = CachedEncoder(HashingEncoder(16), 2)
    for text in ("a", "b", "a", "c", "a"):
        cached.encode([text])
    assert cached.misses == 3


def test_hashing_and_projection_need_no_torch() -> None:
    modules = "encoders.text.hashing, encoders.fitted.projection, encoders.serving.cache"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    from encoders.text.transformer import TransformerEncoder

    with pytest.raises(EncoderError, match="INTERESTFLOW_ENCODER"):
        TransformerEncoder(str(tmp_path / "nothing"))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    """A pickle can run code; only safetensors are read."""
    import torch

    from encoders.text.transformer import TransformerEncoder

    folder = make_bert(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError):
        TransformerEncoder(str(folder))


def test_the_revision_follows_the_weights(tmp_path: Path) -> None:
    from encoders.text.transformer import TransformerEncoder

    one, same, other = (
        TransformerEncoder(str(make_bert(tmp_path / name, seed)), device="cpu").revision
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one == same != other


def test_the_revision_follows_the_configuration(tmp_path: Path) -> None:
    """The same weights with another number of heads give other vectors."""
    from encoders.text.transformer import TransformerEncoder

    folder = make_bert(tmp_path)
    one = TransformerEncoder(str(folder), device="cpu")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"num_attention_heads": 4', '"num_attention_heads": 2')
    )
    other = TransformerEncoder(str(folder), device="cpu")
    assert not np.allclose(one.encode(["the mug"]), other.encode(["the mug"]), atol=1e-6)
    assert one.revision != other.revision


def test_tokens_are_counted(tmp_path: Path) -> None:
    from encoders.text.transformer import TransformerEncoder

    encoder = TransformerEncoder(str(make_bert(tmp_path)), max_length=8, device="cpu")
    encoder.encode(["the mug", "红", "the the the the the the the the the"])
    stats = encoder.stats
    assert (stats.texts, stats.truncated, stats.unknown) == (3, 1, 1)
    assert stats.tokens == 4 + 3 + 8


def test_the_demo_model_knows_what_words_mean() -> None:
    from encoders.text.transformer import TransformerEncoder

    encoder = TransformerEncoder("demo", device="cpu")
    mug, cup, tractor = encoder.encode(["a red coffee mug", "cup for hot drinks", "farm tractor engine oil"])
    assert mug @ cup > 0.4 > mug @ tractor
    assert encoder.dim == 384
