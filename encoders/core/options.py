"""What a factory of encoders is given: how texts are encoded, as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class EncoderOptions(Protocol):
    """Fulfilled by the section `encoder` of the stream's settings, which says how to choose each.

    A factory reads those that it needs.
    """

    # As the user wrote it: a registered name, alone or before a colon (`onnx:FOLDER`), a URL, or a model's name.
    name: str
    # Of the stream's vectors. An encoder may have another number, where a projection follows.
    dimensions: int
    revision: str | None
    max_tokens: int
    threads: int
    pooling: str
    prompt: str | None
    prompt_name: str | None
    truncate_dim: int | None
    remote_model: str | None
    remote_api_key: str | None
    remote_dimensions: int | None
    remote_timeout_s: float
    remote_concurrency: int
    remote_batch: int
    topics: Path | None
