"""The encoder that the settings name."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.text.transformer import TransformerEncoder
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_encoder, build_raw_encoder
from tests.encoders.media.tiny_media import make_clip
from tests.encoders.tiny import make_bert


def test_what_is_set_of_a_text_encoder_reaches_it(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    (folder / "README.md").write_text("matryoshka")
    built = build_raw_encoder(
        Settings(
            encoder=str(folder),
            encoder_max_tokens=16,
            encoder_pooling="cls",
            encoder_prompt="the ",
            encoder_truncate_dim=8,
        ).encoder
    )
    assert isinstance(built, TransformerEncoder)
    direct = TransformerEncoder(
        str(folder), max_length=16, pooling="cls", prompt="the ", truncate_dim=8, device=built.device
    )
    assert built.revision == direct.revision


def test_the_dimensions_that_are_advised_for_text_beside_pictures_are_taken(tmp_path: Path) -> None:
    clip = str(make_clip(tmp_path / "clip"))
    text = str(make_bert(tmp_path / "bert"))
    settings = Settings(encoder=text, image_encoder=clip)
    with pytest.raises(SettingsError, match="INTERESTFLOW_DIMENSIONS=44"):
        build_encoder(settings)
    assert build_encoder(settings.model_copy(update={"dimensions": 44})).dim == 44
    # Hashing would take them for its own, and the sum would be another.
    with pytest.raises(SettingsError, match=r"INTERESTFLOW_FUSION to its file$"):
        build_encoder(Settings(encoder="hashing", image_encoder=clip))


@pytest.mark.parametrize("encoder", ["hashing", "topics", "onnx:folder", "http://127.0.0.1:1/v1"])
def test_what_an_encoder_would_not_heed_is_refused(encoder: str) -> None:
    with pytest.raises(
        SettingsError, match="heed INTERESTFLOW_ENCODER_PROMPT, INTERESTFLOW_ENCODER_POOLING: unset"
    ):
        build_raw_encoder(Settings(encoder=encoder, encoder_prompt="query: ", encoder_pooling="cls").encoder)
    with pytest.raises(SettingsError, match="INTERESTFLOW_ENCODER_TRUNCATE_DIM"):
        build_raw_encoder(Settings(encoder=encoder, encoder_truncate_dim=64).encoder)


def test_an_encoder_that_takes_nothing_more_is_named_alone() -> None:
    with pytest.raises(SettingsError, match="hashing takes nothing behind its name"):
        build_raw_encoder(Settings(encoder="hashing:64").encoder)
