"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

# `a,b` as it fits on a command line and in the environment, or a list in TOML.
CommaSeparated = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(
        lambda given: [p.strip() for p in given.split(",") if p.strip()] if isinstance(given, str) else given
    ),
]


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
    # A CLIP or SigLIP of transformers, by name or path, for pictures and the frames of films; none: they are not
    # read. Its commit, where it is a name: pin it, or the vectors change when its owner changes the model.
    image_encoder: str | None = None
    image_encoder_revision: str | None = None
    # A Whisper of transformers, by name or path, for sound and the sound of films; none: it is not heard.
    speech_encoder: str | None = None
    speech_encoder_revision: str | None = None
    # `en`, `zh`, …; none: the model tells it from the first seconds. Set it where all recordings share one.
    speech_language: str | None = None
    # Hosts that pictures and films may be fetched from: `images.shop.com`, `.shop.com` (all below it), with a
    # port where it is not 80 or 443; and addresses or networks in your own net that these may lead to
    # (`10.2.0.0/16`). None: no URL is fetched.
    media_hosts: CommaSeparated = ()
    # Folder that paths in catalogue records are relative to and may not leave; none: no file is read.
    media_folder: Path | None = None
    # Bytes of one medium; seconds for its download; seconds for decoding it, after which it is refused.
    media_max_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    media_timeout_s: float = Field(default=10.0, gt=0)
    media_decode_timeout_s: float = Field(default=30.0, gt=0)
    # Pixels of a picture or frame, four bytes of memory each while it is decoded; Pillow refuses more than that.
    media_max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000)
    # Seconds of a recording that are heard, from its start; frames of a film that are seen, evenly over it.
    media_max_seconds: float = Field(default=600.0, gt=0)
    media_frames: int = Field(default=8, ge=1, le=256)

    # --- Fusion ---

    # --- Space ---
    # Dimensions of item and interest vectors.
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs.
    projection: Path | None = None

    # --- Behaviour as text, and its sentiment ---

    # --- Remote ---
