"""What is no text model."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import T5Config, T5Model

from encoders.core.base import EncoderError
from encoders.text.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert


def test_a_model_of_both_kinds_is_refused(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    config = T5Config(vocab_size=90, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(folder)
    with pytest.raises(EncoderError, match="one of both"):
        TransformerEncoder(str(folder), device="cpu")
