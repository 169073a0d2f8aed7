"""What every encoder promises; runs over each entry of ENCODERS, and over those that wrap others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.core.base import Encoder, close, identity
from encoders.fitted.fusion import LateFusion, fit_projected
from encoders.fitted.lda import TopicEncoder
from encoders.fitted.projection import ProjectedEncoder, Projection
from encoders.media.content import PICTURE, TEXT, Content
from encoders.media.fused import FusedEncoder
from encoders.serving.cache import CachedEncoder
from encoders.serving.cache_store import VectorStore
from encoders.serving.pool import EncoderPool
from encoders.text.hashing import HashingEncoder
from streams.settings.registries import ENCODERS
from streams.settings.settings import Settings
from tests.encoders import tiny
from tests.encoders.media.media import HashedPictures
from tests.encoders.remote.served import Script, serving

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


def transformer(make: Callable[[Any], Any], pooling: str = "auto") -> Callable[[Any], Encoder]:
    """Budget and limit are small, so that the texts are cut into several batches, and some are truncated."""

    def build(folder: Any) -> Encoder:
        from encoders.text.transformer import TransformerEncoder

        return TransformerEncoder(
            str(make(folder / "model")),
            max_length=64,
            token_budget=96,
            device="cpu",
            threads=1,
            pooling=pooling,
        )

    return build


def projected(folder: Any) -> Encoder:
    inner = HashingEncoder(24)
    vectors = inner.encode([f"word{i} item{i % 7}" for i in range(60)])
    return ProjectedEncoder(inner, Projection.fit(vectors, 8, source=identity(inner)))


# Ends what encoders need beside them, with the module.
SERVERS = ExitStack()


def registered(name: str, **options: Any) -> Encoder:
    """As the settings choose it."""
    made: Encoder = ENCODERS.build(name, Settings(**{"encoder": name, **options}).encoder)
    return made


def remote(folder: Any) -> Encoder:
    endpoint = SERVERS.enter_context(serving(Script(32)))
    encoder = registered(
        "remote", encoder=endpoint.url, encoder_remote_model=endpoint.model, encoder_remote_batch=4
    )
    SERVERS.callback(close, encoder)
    return encoder


def pictures(folder: Any) -> Encoder:
    """Its texts; its pictures have tests of their own."""
    from encoders.media.film import FilmEncoder
    from encoders.media.image import ImageEncoder
    from tests.encoders.media.tiny_media import make_clip

    return FilmEncoder(ImageEncoder(str(make_clip(folder / "clip")), device="cpu", threads=1))


def topics(folder: Any) -> Encoder:
    random = np.random.default_rng(0)
    words = ["red", "shoes", "mug", "красный", "42"]
    made = TopicEncoder(words, random.gamma(1.0, size=(6, len(words))) + 0.1, 1 / 6)
    made.save(folder / "topics")
    return registered("topics", topics=folder / "topics")


def onnx(folder: Any) -> Encoder:
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    from encoders.checkpoints.weights import load_parts
    from encoders.onnx.export import export

    export(load_parts(str(tiny.make_bert(folder / "bert"))), folder / "onnx", {})
    return registered("onnx", encoder=f"onnx:{folder / 'onnx'}")


def onnx_int8(folder: Any) -> Encoder:
    onnx(folder)
    from encoders.onnx.encoder import OnnxEncoder
    from encoders.onnx.export import to_int8

    to_int8(folder / "onnx", WORDS)
    return OnnxEncoder(folder / "onnx", token_budget=96)


def fused(folder: Any) -> Encoder:
    media = FusedEncoder(HashingEncoder(24), late_fusion, HashedPictures())
    contents = [Content(f"word{i} item{i % 7}", (f"{i}.jpg",) if i % 3 else ()) for i in range(60)]
    fusion = fit_projected(media.parts(contents)[0], {TEXT: 1.0, PICTURE: 1.0}, 8, media.spaces)
    return FusedEncoder(HashingEncoder(24), fusion, HashedPictures())


def late_fusion(widths: dict[str, int]) -> LateFusion:
    return LateFusion(widths, dict.fromkeys(widths, 1.0))


MAKERS: dict[str, Callable[[Any], Encoder]] = {
    "hashing": lambda folder: registered("hashing", dimensions=32),
    "transformers": lambda folder: registered("transformers", encoder=str(tiny.make_bert(folder / "model"))),
    "bert": transformer(tiny.make_bert),
    "roberta max": transformer(tiny.make_roberta, "max"),
    "mpnet": transformer(tiny.make_mpnet),
    "modernbert cls": transformer(tiny.make_modernbert, "cls"),
    "gpt2 weighted": transformer(tiny.make_gpt2, "weighted"),
    "qwen3 last": transformer(tiny.make_qwen3),
    "onnx": onnx,
    "onnx_int8": onnx_int8,
    "cached": lambda folder: CachedEncoder(HashingEncoder(32), 5),
    "stored": lambda folder: CachedEncoder(HashingEncoder(32), 5, VectorStore(folder / "store", 32, 1 << 26)),
    "remote": remote,
    "projected": projected,
    "pooled": lambda folder: EncoderPool(HashingEncoder(32), workers=2, batch_tokens=16),
    "pictures": pictures,
    "topics": topics,
    "fused": fused,
    "fused late": lambda folder: FusedEncoder(HashingEncoder(24), late_fusion, HashedPictures()),
}


def test_every_encoder_is_under_contract() -> None:
    assert set(ENCODERS) <= MAKERS.keys()


@pytest.fixture(scope="module", params=sorted(MAKERS))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    with SERVERS:
        yield MAKERS[request.param](tmp_path_factory.mktemp("encoder"))


def test_unit_rows_of_its_dimension(encoder: Encoder) -> None:
    vectors = encoder.encode(WORDS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(WORDS), encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(WORDS)), abs=1e-5)


def test_no_text_gives_no_row(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


@given(texts=st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_has_one_vector_in_any_batch_and_order(encoder: Encoder, texts: list[str]) -> None:
    together = encoder.encode(texts)
    for row, text in enumerate(texts):
        assert together[row] == pytest.approx(encoder.encode([text])[0], abs=1e-6)


@given(text=st.text(max_size=80))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_a_finite_vector(encoder: Encoder, text: str) -> None:
    assert np.isfinite(encoder.encode([text])).all()


def test_it_says_which_space_it_is_of(encoder: Encoder) -> None:
    assert encoder.id
    assert encoder.revision
    assert identity(encoder) == f"{encoder.id}@{encoder.revision}"
