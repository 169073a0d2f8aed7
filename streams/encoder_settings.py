"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class EncoderSettings(BaseModel):
    """Which encoder, what it reads, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), a transformers name or path, or a URL (see Remote).
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
    # With a URL as encoder (https://host/v1): the model's name there. A new model behind an old name needs a new
    # encoder_revision, any word of yours, since a server does not tell.
    encoder_remote_model: str | None = None
    # Sent as a bearer token; never printed. Better in the environment than in a file.
    encoder_remote_api_key: str | None = None
    # Dimensions to ask for, of models that can shorten their vectors; none for the model's own.
    encoder_remote_dimensions: int | None = Field(default=None, ge=2, le=4096)
    # Seconds until an answer; longer than the server takes for a full request with others in its queue.
    encoder_remote_timeout_s: float = Field(default=30.0, gt=0)
    # Requests at a time, and texts in one; as many as the server takes before it answers 429 or 413.
    encoder_remote_concurrency: int = Field(default=4, ge=1, le=256)
    encoder_remote_batch: int = Field(default=32, ge=1, le=2048)
