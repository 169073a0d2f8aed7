"""What `export onnx` writes is the encoder of the settings, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from encoders.core.base import EncoderError
from streams.learn.export import export_onnx
from streams.settings.settings import Settings
from tests.encoders.tiny import make_bert, make_gpt2

Make = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (make_gpt2, {}),
        (make_bert, {"encoder_pooling": "cls"}),
        (make_bert, {"encoder_prompt": "the mug: "}),
        (make_bert, {"encoder_truncate_dim": 8}),
    ],
    ids=["a decoder, whose last token counts", "another pooling", "a prompt", "fewer dimensions"],
)
def test_an_encoder_that_wants_more_than_the_mean_is_refused_and_nothing_is_left(
    make: Make, fields: dict[str, Any], tmp_path: Path
) -> None:
    model = make(tmp_path / "model")
    (model / "README.md").write_text("Trained with MatryoshkaLoss.")
    settings = Settings(encoder=str(model), **fields)
    with pytest.raises(EncoderError, match="INTERESTFLOW_ENCODER_POOLING"):
        export_onnx(settings.encoder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_decoder_of_which_the_mean_is_taken_is_exported(tmp_path: Path) -> None:
    settings = Settings(encoder=str(make_gpt2(tmp_path / "model")), encoder_pooling="mean")
    assert export_onnx(settings.encoder, tmp_path / "out").revision
    assert (tmp_path / "out" / "model.onnx").is_file()
