"""The encoder that the settings name."""

from __future__ import annotations

from pathlib import Path

from encoders.transformer import TransformerEncoder
from streams.encoder_app import build_raw_encoder
from streams.settings import Settings
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
        )
    )
    assert isinstance(built, TransformerEncoder)
    direct = TransformerEncoder(
        str(folder), max_length=16, pooling="cls", prompt="the ", truncate_dim=8, device=built.device
    )
    assert built.revision == direct.revision
