"""ONNX Runtime: the same vectors as torch, and int8 that does not look at its batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.checkpoints.weights import load_parts
from encoders.core.base import EncoderError
from encoders.onnx.encoder import OnnxEncoder
from encoders.text.hashing import HashingEncoder
from encoders.text.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert, make_modernbert, make_mpnet

pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
import onnxruntime
from onnx import helper, numpy_helper

from encoders.onnx.export import export, kept_neighbours, to_int8
from encoders.onnx.int8 import LARGEST_PAIR, round_weights

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


@pytest.mark.parametrize("make", [make_modernbert, make_mpnet])
def test_it_knows_rotary_positions_windows_and_attention_of_a_models_own(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    base = make(tmp_path / "base")
    export(load_parts(str(base)), tmp_path / "onnx", {})
    torch = TransformerEncoder(str(base), device="cpu", pooling="mean")
    assert OnnxEncoder(tmp_path / "onnx").encode(ODD) == pytest.approx(torch.encode(ODD), abs=1e-5)


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
    with pytest.raises(EncoderError, match="load a catalog"):
        to_int8(exact, [])


@settings(max_examples=50)
@given(
    st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([1e-20, 0.1, 1.0, 1e4])
)
def test_weights_are_rounded_to_what_two_products_hold_in_16_bits(
    inputs: int, outputs: int, seed: int, size: float
) -> None:
    matrix = (np.random.default_rng(seed).normal(size=(inputs, outputs)) * size).astype(np.float32)
    rounded, scale = round_weights(matrix)
    assert np.abs(rounded * scale - matrix).max() <= 0.501 * scale.max()
    pairs = np.pad(rounded.astype(int), ((0, inputs % 2), (0, 0))).reshape(-1, 2, outputs)
    assert np.maximum(pairs, 0).sum(axis=1).max() <= LARGEST_PAIR
    assert np.minimum(pairs, 0).sum(axis=1).min() >= -LARGEST_PAIR


@pytest.mark.parametrize("texts", [1, 5, 64])
def test_this_machine_multiplies_the_largest_activations_without_overflow(texts: int) -> None:
    matrix = np.abs(np.random.default_rng(0).normal(size=(96, 40))).astype(np.float32)
    matrix[:, ::2] *= -1
    weights, _ = round_weights(matrix)
    constants = {"w": weights, "x.scale": np.float32(1), "w.scale": np.ones(40, np.float32)}
    node = helper.make_node(
        "MatMulIntegerToFloat", ["x", "w", "x.scale", "w.scale"], ["y"], domain="com.microsoft"
    )
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", 2, [texts, 96])],
        [helper.make_tensor_value_info("y", 1, [texts, 40])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=11)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    full = np.full((texts, 96), 255, np.uint8)
    assert np.array_equal(session.run(None, {"x": full})[0], full.astype(int) @ weights.astype(int))
