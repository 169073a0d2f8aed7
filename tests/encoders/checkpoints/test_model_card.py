"""What a model's files say of its use, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from encoders.checkpoints.model_card import ModelCard
from encoders.core.base import EncoderError
from tests.encoders.tiny import write_json


def parts(folder: Path, *kinds: str, pooling: dict[str, Any] | None = None) -> Path:
    """A folder whose modules.json lists the kinds."""
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": kind} for kind in kinds]
    write_json(folder / "modules.json", listed)
    if pooling is not None:
        write_json(folder / "Pooling" / "config.json", pooling)
    return folder


def test_a_folder_without_a_word_says_nothing(tmp_path: Path) -> None:
    assert ModelCard.read(tmp_path) == ModelCard(tmp_path)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode_weightedmean_tokens": True}, "weighted"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean"),
        ({"pooling_mode": "max"}, "max"),
        ({"pooling_mode": ["lasttoken"]}, "last"),
    ],
)
def test_the_pooling_in_old_words_and_new(tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    card = ModelCard.read(parts(tmp_path, "Transformer", "Pooling", "Normalize", pooling=config))
    assert (card.pooling, card.transformer) == (pooling, tmp_path / "Transformer")


def test_several_poolings_at_once_are_refused(tmp_path: Path) -> None:
    both = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    with pytest.raises(EncoderError, match="pools by"):
        ModelCard.read(parts(tmp_path, "Transformer", "Pooling", pooling=both))


def test_parts_that_would_be_left_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="Dense"):
        ModelCard.read(parts(tmp_path, "Transformer", "Pooling", "Dense", pooling={"pooling_mode": "mean"}))


def test_lower_casing_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "sentence_bert_config.json", {"do_lower_case": True})
    with pytest.raises(EncoderError, match="lower-cased"):
        ModelCard.read(tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[")
    with pytest.raises(EncoderError, match=r"modules\.json"):
        ModelCard.read(tmp_path)


def test_prompts_by_text_by_name_and_by_default() -> None:
    card = ModelCard(Path(), prompts={"query": "query: ", "document": ""}, default_prompt="query")
    assert card.prompt("Find: ", None) == "Find: "
    assert card.prompt("", None) == card.prompt(None, "document") == ""
    assert card.prompt(None, None) == "query: "
    assert ModelCard(Path()).prompt(None, None) == ""
    with pytest.raises(EncoderError, match="document, query"):
        card.prompt(None, "passage")


@pytest.mark.parametrize(
    ("files", "dim"),
    [
        ({"config.json": {"matryoshka_dims": [8, 16]}}, 16),
        ({"config_sentence_transformers.json": {"truncate_dim": 16}}, 16),
        ({"config_sentence_transformers.json": {"truncate_dim": 16}}, 24),
        ({"README.md": "library: Matryoshka"}, 5),
    ],
)
def test_a_model_that_allows_it_is_truncated(tmp_path: Path, files: dict[str, Any], dim: int) -> None:
    for name, content in files.items():
        write_json(tmp_path / name, content)
    assert ModelCard.read(tmp_path).dimensions(32, dim) == dim


def test_a_model_that_is_truncated_by_its_own_files_is_so_unless_told_otherwise() -> None:
    card = ModelCard(Path(), truncate_dim=16, matryoshka=True)
    assert (card.dimensions(32, None), card.dimensions(32, 32)) == (16, 32)


@pytest.mark.parametrize(
    ("card", "dim", "says"),
    [
        (ModelCard(Path()), 16, "not said to be trained"),
        (ModelCard(Path(), matryoshka=True, matryoshka_dims=(8, 16)), 12, r"only for \[8, 16\]"),
        (ModelCard(Path(), matryoshka=True), 64, "64 of the model's 32"),
    ],
)
def test_another_is_not(card: ModelCard, dim: int, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        card.dimensions(32, dim)
