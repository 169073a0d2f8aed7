"""Model and tokenizer as they are before they become an encoder: for training and for export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils.hub import cached_file

from encoders.base import EncoderError
from encoders.loading import DEMO, locate

POOLING = "1_Pooling/config.json"


@dataclass(slots=True)
class Parts:
    """A transformers model in float32 on the CPU, and its tokenizer."""

    model: Any
    tokenizer: Any


def load_parts(model: str, revision: str | None = None) -> Parts:
    """model: `demo`, a local folder or a name; revision: a commit of a named one. Raises EncoderError."""
    where = str(locate(model, None)) if model == DEMO else model
    options: dict[str, Any] = {"revision": revision} if revision and not Path(where).is_dir() else {}
    try:
        _require_mean(cached_file(where, POOLING, _raise_exceptions_for_missing_entries=False, **options))
        return Parts(
            AutoModel.from_pretrained(
                where, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
            ).eval(),
            AutoTokenizer.from_pretrained(where, trust_remote_code=False, **options),
        )
    except EncoderError:
        raise
    except Exception as error:  # transformers raises whatever its parts do
        raise EncoderError(
            f"cannot load the weights of {model!r}: {str(error)[:300]}. Set INTERESTFLOW_ENCODER to `demo`, a local "
            f"folder with config.json, tokenizer and model.safetensors, or a model name that is reachable"
        ) from error


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


def _require_mean(path: str | None) -> None:
    """Refuse a model that says that its vectors are no means over tokens: another model would come of it."""
    if path and not json.loads(Path(path).read_text()).get("pooling_mode_mean_tokens"):
        raise EncoderError(
            f"{path} names another pooling than the mean over the tokens, which alone is trained and exported: "
            f"choose an encoder with mean pooling"
        )
