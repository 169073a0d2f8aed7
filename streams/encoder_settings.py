"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class EncoderSettings(BaseModel):
    """Which encoder, what it reads, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), or the name or folder of any encoder or decoder of the
    # transformers library; for texts that are not English, a multilingual one.
    encoder: str = "demo"
    # Commit of a named model; without it, the newest one, and the log says which.
    encoder_revision: str | None = None
    encoder_max_tokens: int = Field(default=256, ge=8)
    # How a text's tokens make one vector. `auto` is what the model was trained with; another only where its card
    # names one that its files do not: mean, max, cls, last (decoders) or weighted (decoders trained by SGPT).
    encoder_pooling: str = "auto"
    # Put before every text, where the model's card asks for a prompt or instruction: the text itself, or by the
    # name that the model's files have for it. Neither: the model's own default.
    encoder_prompt: str | None = None
    encoder_prompt_name: str | None = None
    # Leading dimensions that are kept, of a model trained for it (Matryoshka); others take a projection.
    encoder_truncate_dim: int | None = Field(default=None, ge=2)

    # --- Batches of texts ---
    # CPU threads of the encoder; one leaves the other cores to the stream.
    encoder_threads: int = Field(default=1, ge=1)

    # --- Cache ---
    # Texts kept by content hash; 512 bytes each at 128 dimensions.
    encoder_cache_items: int = Field(default=100_000, ge=0)

    # --- Pictures, sound and film ---

    # --- Fusion ---

    # --- Space ---
    # Dimensions of item and interest vectors.
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs.
    projection: Path | None = None

    # --- Behaviour as text, and its sentiment ---

    # --- Remote ---
