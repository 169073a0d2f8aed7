"""What every encoder promises; each implementation runs through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.base import Encoder, identity
from encoders.cache import CachedEncoder
from encoders.hashing import HashingEncoder
from encoders.projection import ProjectedEncoder, Projection
from tests.encoders.tiny import make_bert

WORDS = [
    "red shoes",
    "the mug",
    "a",
    "",
    "  ",
    "красный",
    "红色的鞋子",
    "mug 42!",
    "\ud800",
    "e\u0301" * 5,
    "x" * 5000,
]


def transformer(folder: Any) -> Encoder:
    from encoders.transformer import TransformerEncoder

    return TransformerEncoder(
        str(make_bert(folder / "bert")), max_length=64, token_budget=96, device="cpu", threads=1
    )


def projected(folder: Any) -> Encoder:
    inner = HashingEncoder(24)
    vectors = inner.encode([f"word{i} item{i % 7}" for i in range(60)])
    return ProjectedEncoder(inner, Projection.fit(vectors, 8, source=identity(inner)))


def onnx(folder: Any) -> Encoder:
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    from encoders.onnx import OnnxEncoder
    from encoders.onnx_export import export
    from encoders.weights import load_parts

    export(load_parts(str(make_bert(folder / "bert"))), folder / "onnx", {})
    return OnnxEncoder(folder / "onnx", token_budget=96)


def onnx_int8(folder: Any) -> Encoder:
    onnx(folder)
    from encoders.onnx import OnnxEncoder
    from encoders.onnx_export import to_int8

    to_int8(folder / "onnx", WORDS)
    return OnnxEncoder(folder / "onnx", token_budget=96)


MAKERS: dict[str, Callable[[Any], Encoder]] = {
    "hashing": lambda folder: HashingEncoder(32),
    "transformer": transformer,
    "onnx": onnx,
    "onnx_int8": onnx_int8,
    "cached": lambda folder: CachedEncoder(HashingEncoder(32), 5),
    "projected": projected,
}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return MAKERS[request.param](tmp_path_factory.mktemp("encoder"))


def test_unit_rows_of_its_dimension(encoder: Encoder) -> None:
    vectors = encoder.encode(WORDS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(WORDS), encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(WORDS)), abs=1e-5)


def test_no_text_gives_no_row(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


@given(texts=st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_has_one_vector_in_any_batch_and_order(encoder: Encoder, texts: list[str]) -> None:
    together = encoder.encode(texts)
    for row, text in enumerate(texts):
        assert together[row] == pytest.approx(encoder.encode([text])[0], abs=1e-6)


@given(text=st.text(max_size=80))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_a_finite_vector(encoder: Encoder, text: str) -> None:
    assert np.isfinite(encoder.encode([text])).all()


def test_it_says_which_space_it_is_of(encoder: Encoder) -> None:
    assert encoder.id
    assert encoder.revision
    assert identity(encoder) == f"{encoder.id}@{encoder.revision}"
