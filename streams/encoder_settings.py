"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class EncoderSettings(BaseModel):
    """Which encoder, what it reads, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), or a transformers name or path.
    encoder: str = "demo"
    encoder_revision: str | None = None
    encoder_max_tokens: int = Field(default=256, ge=8)

    # --- Batches of texts ---
    # CPU threads of the encoder; one leaves the other cores to the stream.
    encoder_threads: int = Field(default=1, ge=1)

    # --- Cache ---
    # Texts kept by content hash; 512 bytes each at 128 dimensions.
    encoder_cache_items: int = Field(default=100_000, ge=0)

    # --- Pictures, sound and film ---

    # --- Fusion ---
    # How an item's media become one vector, where pictures or recordings are encoded: `late` (side by side, needs
    # no fitting, as many dimensions as all together), or a file of `interestflow fit fusion`, which has `dimensions`.
    fusion: Literal["late"] | Path = "late"
    # What a medium counts beside the others, for `late` and for where fitting starts: twice the weight, twice the say.
    fusion_text_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_picture_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_transcript_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    # --- Space ---
    # Dimensions of item and interest vectors.
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs.
    projection: Path | None = None

    # --- Behaviour as text, and its sentiment ---

    # --- Remote ---
