"""ONNX Runtime: the same vectors as torch, and int8 that does not look at its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.base import EncoderError
from encoders.hashing import HashingEncoder
from encoders.onnx import OnnxEncoder
from encoders.transformer import TransformerEncoder
from encoders.weights import load_parts
from tests.encoders.tiny import make_bert

pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
from encoders.onnx_export import export, kept_neighbours, to_int8

WORDS = ["red", "shoes", "mug", "the", "kettle", "42", "green", "tent"]
RANDOM = np.random.default_rng(0)
TEXTS = sorted({" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 12))) for _ in range(120)})
# The extremes of length, and what no vocabulary holds.
ODD = ["", "the mug", "x" * 500, "红色", "\ud800", *TEXTS[:9]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def exact(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("float32")
    export(load_parts(str(base)), folder, {"base": "tiny@1"})
    return folder


@pytest.fixture(scope="module")
def int8(base: Path, exact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    for file in exact.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert to_int8(folder, TEXTS[::2]) == 12  # six linear layers in each of two blocks
    return folder


def test_it_gives_the_vectors_of_torch(base: Path, exact: Path) -> None:
    torch = TransformerEncoder(str(base), device="cpu")
    onnx = OnnxEncoder(exact, token_budget=64)
    assert onnx.encode(ODD) == pytest.approx(torch.encode(ODD), abs=1e-5)
    assert onnx.dim == torch.dim
    assert onnx.revision != torch.revision


@pytest.mark.parametrize("kind", ["exact", "int8"])
def test_a_text_has_one_vector_alone_and_in_any_batch(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    alone, together = OnnxEncoder(folder, token_budget=1), OnnxEncoder(folder, token_budget=10_000)
    vectors = together.encode(ODD)
    assert vectors == pytest.approx(alone.encode(ODD), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(ODD)), abs=1e-6)
    assert np.array_equal(vectors, OnnxEncoder(folder, token_budget=10_000).encode(ODD))


def test_int8_is_smaller_near_and_another_space(exact: Path, int8: Path) -> None:
    one, other = OnnxEncoder(exact), OnnxEncoder(int8)
    recall, furthest = kept_neighbours(one, other, TEXTS)
    assert recall >= 0.9
    assert furthest < 0.02
    assert not np.array_equal(one.encode(TEXTS), other.encode(TEXTS))
    assert one.revision != other.revision
    assert (int8 / "model.onnx").stat().st_size < (exact / "model.onnx").stat().st_size


def test_an_encoder_keeps_all_its_own_neighbours_and_few_of_anothers(exact: Path) -> None:
    encoder = OnnxEncoder(exact)
    recall, furthest = kept_neighbours(encoder, encoder, TEXTS)
    assert recall == 1.0
    assert abs(furthest) < 1e-6
    recall, furthest = kept_neighbours(HashingEncoder(8), HashingEncoder(8, seed=1), TEXTS)
    assert recall < 0.9
    assert furthest > 0.1


def test_tokens_are_counted(exact: Path) -> None:
    encoder = OnnxEncoder(exact, max_length=8)
    encoder.encode(["the mug", "红", "the the the the the the the the the"])
    assert encoder.counts()["tokens"] == {"encoded": 15, "padding": 9, "truncated": 1, "unknown": 1}


def test_the_limit_is_never_beyond_the_models_own(exact: Path) -> None:
    encoder = OnnxEncoder(exact, max_length=10_000)
    assert encoder.tokens.max_length == 64
    assert np.isfinite(encoder.encode(["mug " * 500])).all()


@pytest.mark.parametrize("damage", ["nothing", "model", "tokenizer"])
def test_a_folder_that_is_none_says_what_to_do(exact: Path, tmp_path: Path, damage: str) -> None:
    if damage != "nothing":
        for file in exact.iterdir():
            broken = file.name.startswith(damage)
            (tmp_path / file.name).write_bytes(b"broken" if broken else file.read_bytes())
    with pytest.raises(EncoderError, match="interestflow export onnx"):
        OnnxEncoder(tmp_path)


def test_int8_without_texts_is_refused(exact: Path) -> None:
    with pytest.raises(EncoderError, match="load a catalogue"):
        to_int8(exact, [])
