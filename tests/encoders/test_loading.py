"""Named models: which commit, and what is fetched of it. No hub is asked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from encoders import loading
from encoders.base import EncoderError
from encoders.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert

COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the hub was asked for; it answers with a folder named by the commit, as its cache has it."""
    calls: list[dict[str, Any]] = []

    def download(model: str, **options: Any) -> str:
        calls.append({"model": model, **options})
        return str(make_bert(tmp_path / COMMIT))

    monkeypatch.setattr(loading, "snapshot_download", download)
    return calls


def test_a_name_without_a_revision_says_which_commit_it_is(
    asked: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = TransformerEncoder("maker/model", device="cpu")
    assert encoder.id == "maker/model"
    assert f"INTERESTFLOW_ENCODER_REVISION to {COMMIT}" in caplog.text


def test_a_revision_is_asked_for_and_not_spoken_of(
    asked: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "encoders.loading")
    loading.locate("maker/model", COMMIT)
    assert (asked[0]["model"], asked[0]["revision"]) == ("maker/model", COMMIT)
    assert not [line for line in caplog.records if line.name == "encoders.loading"]


def test_neither_pickles_nor_code_are_fetched(asked: list[dict[str, Any]]) -> None:
    loading.locate("maker/model", COMMIT)
    assert not {"*.bin", "*.pt", "*.py", "*"} & set(asked[0]["allow_patterns"])


def test_a_model_of_both_kinds_is_refused(tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    folder = make_bert(tmp_path)
    T5Model(T5Config(vocab_size=90, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(
        folder
    )
    with pytest.raises(EncoderError, match="one of both"):
        TransformerEncoder(str(folder), device="cpu")
