"""Model and tokenizer as they are before they become an encoder: for training and for export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from encoders.checkpoints.loading import POOLER, SETTING, locate
from encoders.checkpoints.model_card import ModelCard
from encoders.checkpoints.pretrained import load_model, load_tokenizer
from encoders.core.base import EncoderError

POOLING = "1_Pooling/config.json"


@dataclass(slots=True)
class Parts:
    """A transformers model in float32 on the CPU, and its tokenizer."""

    model: Any
    tokenizer: Any


def load_parts(model: str, revision: str | None = None) -> Parts:
    """model: `demo`, a local folder or a name; revision: a commit of a named one. Raises EncoderError."""
    folder = locate(model, revision)
    card = ModelCard.read(folder)
    # Of a model that pools otherwise, another model would come.
    if card.pooling not in (None, "mean"):
        raise EncoderError(
            f"{folder} pools by {card.pooling}, but only the mean over the tokens is trained and exported: set "
            f"{SETTING.name} to a model with mean pooling"
        )
    tokenizer = load_tokenizer(card.transformer, SETTING)
    return Parts(load_model(AutoModel, card.transformer, SETTING, torch.float32, unused=POOLER), tokenizer)


def write_card(folder: Path, dim: int) -> None:
    """Say, as sentence-transformers does, that the folder's vectors are unit means over the tokens."""
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2))
    (folder / POOLING).parent.mkdir()
    (folder / POOLING).write_text(
        json.dumps({"word_embedding_dimension": dim, "pooling_mode_mean_tokens": True})
    )
