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
from encoders.content import PICTURE, TEXT, Content
from encoders.fused import FusedEncoder
from encoders.fusion import LateFusion, fit_projected
from encoders.hashing import HashingEncoder
from encoders.projection import ProjectedEncoder, Projection
from tests.encoders.media import HashedPictures
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


def fused(folder: Any) -> Encoder:
    media = FusedEncoder(HashingEncoder(24), late_fusion, HashedPictures())
    contents = [Content(f"word{i} item{i % 7}", (f"{i}.jpg",) if i % 3 else ()) for i in range(60)]
    fusion = fit_projected(media.parts(contents)[0], {TEXT: 1.0, PICTURE: 1.0}, 8, media.spaces)
    return FusedEncoder(HashingEncoder(24), fusion, HashedPictures())


def late_fusion(widths: dict[str, int]) -> LateFusion:
    return LateFusion(widths, dict.fromkeys(widths, 1.0))


MAKERS: dict[str, Callable[[Any], Encoder]] = {
    "hashing": lambda folder: HashingEncoder(32),
    "transformer": transformer,
    "cached": lambda folder: CachedEncoder(HashingEncoder(32), 5),
    "projected": projected,
    "fused": fused,
    "fused late": lambda folder: FusedEncoder(HashingEncoder(24), late_fusion, HashedPictures()),
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
