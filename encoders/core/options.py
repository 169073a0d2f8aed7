"""What a factory of encoders is given: the settings of text encoders, by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class EncoderOptions(Protocol):
    """Fulfilled by the stream's settings, which say how to choose each; a factory reads those that it needs."""

    # As the user wrote it: a registered name, alone or before a colon (`onnx:FOLDER`), a URL, or a model's name.
    encoder: str
    # Of the stream's vectors. An encoder may have another number, where a projection follows.
    dimensions: int
    encoder_revision: str | None
    encoder_max_tokens: int
    encoder_threads: int
    encoder_pooling: str
    encoder_prompt: str | None
    encoder_prompt_name: str | None
    encoder_truncate_dim: int | None
    encoder_remote_model: str | None
    encoder_remote_api_key: str | None
    encoder_remote_dimensions: int | None
    encoder_remote_timeout_s: float
    encoder_remote_concurrency: int
    encoder_remote_batch: int
    topics: Path | None
