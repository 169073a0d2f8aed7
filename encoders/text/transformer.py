"""Any encoder or decoder of the transformers library as a text encoder: tokenise, forward, pool, unit rows.

On a GPU, where there is one, in bfloat16; on the CPU in float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from encoders.checkpoints import pretrained
from encoders.checkpoints.loading import (
    DEMO,
    DEMO_PACKAGE,
    is_causal,
    load,
    locate,
    longest_text,
    model_digest,
    position_offset,
)
from encoders.checkpoints.model_card import ModelCard
from encoders.core.base import EncoderError, Vectors
from encoders.core.batching import cut
from encoders.core.options import EncoderOptions
from encoders.core.statistics import EncodeStats
from encoders.text.forward import choose
from encoders.text.pooling import POOLINGS, Pooler
from encoders.text.tokens import Tokens

CPU_TOKEN_BUDGET = 1024
GPU_TOKEN_BUDGET = 65_536


class TransformerEncoder:
    """A text encoder by name or local path. Any threads may encode.

    In bfloat16 the independence of the batch holds only to that type's precision (about 1e-2).
    """

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        max_length: int = 256,
        pooling: str = "auto",
        prompt: str | None = None,
        prompt_name: str | None = None,
        truncate_dim: int | None = None,
        token_budget: int | None = None,
        device: str = "auto",
        threads: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """model: `demo` (the packaged MiniLM), a local folder, or a name. revision: a commit of a named model.

        max_length: tokens of a text that are read. pooling: `auto` (what the model says, else mean, for decoders
        last), or one of POOLINGS. prompt: put before every text; prompt_name: the same by the model's name for it.
        truncate_dim: leading dimensions kept, of a Matryoshka model. token_budget: padded tokens per forward
        pass. threads: CPU threads of torch in this process. clock: seconds. Raises EncoderError.
        """
        self.folder = locate(model, revision)
        card = ModelCard.read(self.folder)
        self.device, dtype = pretrained.choose(device, threads)
        tokenizer, loaded = load(card.transformer, dtype)
        self.id = model if model != DEMO else DEMO_PACKAGE
        self.max_length = longest_text(loaded, min(max_length, card.max_length or max_length))
        self.stats, self._clock = EncodeStats(), clock
        self.counts, self.timings = self.stats.counts, self.stats.timings
        prefix = card.prompt(prompt, prompt_name)
        self._tokens = Tokens(tokenizer, prompt=prefix, max_length=self.max_length, stats=self.stats)
        self.dim = card.dimensions(int(loaded.config.hidden_size), truncate_dim)
        skip = 0 if card.pools_prompt else self._tokens.prompt_length
        self._pool = Pooler(_pooling(pooling, card, decoder=is_causal(loaded)), self.dim, skip)
        decides = (model_digest(loaded), self._tokens.describe(), dtype, self._pool)
        self.revision = blake2b(" ".join(map(str, decides)).encode(), digest_size=8).hexdigest()
        pad, offset = tokenizer.pad_token_id or 0, position_offset(loaded)
        self.model = loaded.to(self.device)
        self._forward = choose(self.model, pad=pad, offset=offset, max_length=self.max_length)
        self.token_budget = token_budget or (CPU_TOKEN_BUDGET if self.device == "cpu" else GPU_TOKEN_BUDGET)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder; tokenised at once, cut by token count."""
        started = self._clock()
        ids = self.tokenize(texts)
        self.stats.add(tokenize_s=self._clock() - started)
        return self.encode_ids(ids)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as they are read: with the prompt, special ones, and at most max_length."""
        return self._tokens(texts) if texts else []

    def encode_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Float32 (B, dim), unit rows, of texts that `tokenize` has read."""
        vectors = np.empty((len(ids), self.dim), dtype=np.float32)
        if not ids:
            return vectors
        started = self._clock()
        batches = cut([len(tokens) for tokens in ids], self.token_budget, padded=self._forward.pads)
        with torch.inference_mode():
            # All is asked of the device before the first answer is fetched, so that it never waits for us.
            units = torch.cat([self._units([ids[index] for index in batch]) for batch in batches])
            if units.is_cuda:
                torch.cuda.synchronize(units.device)
        computed = self._clock()
        vectors[[index for batch in batches for index in batch]] = units.cpu().numpy()
        self.stats.add(forward_s=computed - started, copy_s=self._clock() - computed)
        return vectors

    def _units(self, ids: list[Sequence[int]]) -> Tensor:
        self.stats.add(padding=self._forward.padding(ids))
        return self._pool(self._forward.hidden(ids))

    @property
    def pooling(self) -> str:
        """The pooling that `auto` came to."""
        return self._pool.name


def _pooling(wanted: str, card: ModelCard, *, decoder: bool) -> str:
    if wanted == "auto":
        return card.pooling or ("last" if decoder else "mean")
    if wanted not in POOLINGS:
        raise EncoderError(f"there is no pooling {wanted!r}: choose auto, {', '.join(POOLINGS)}")
    return wanted


def from_settings(options: EncoderOptions) -> TransformerEncoder:
    """The model that the settings name as encoder. Raises EncoderError."""
    return TransformerEncoder(
        options.name.removeprefix("transformers:"),
        revision=options.revision,
        max_length=options.max_tokens,
        pooling=options.pooling,
        prompt=options.prompt,
        prompt_name=options.prompt_name,
        truncate_dim=options.truncate_dim,
        threads=options.threads,
    )
