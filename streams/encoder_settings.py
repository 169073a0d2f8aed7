"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path

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
    # Texts kept by content hash; 660 bytes each at 128 dimensions. As many as come again within hours; 0 for none.
    encoder_cache_items: int = Field(default=100_000, ge=0)
    # Folder of this process alone, on a local disk, whose vectors outlive it; two workers of a machine need two.
    # It pays where encoding is dear (a remote encoder, a CPU); none for memory alone.
    encoder_cache_dir: Path | None = None
    # Bytes of its files, about 530 per text at 128 dimensions; the texts that were written first go first.
    encoder_cache_disk_bytes: int = Field(default=1 << 30, ge=1 << 26)

    # --- Pictures, sound and film ---

    # --- Fusion ---

    # --- Space ---
    # Dimensions of item and interest vectors.
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs.
    projection: Path | None = None

    # --- Behaviour as text, and its sentiment ---

    # --- Remote ---
