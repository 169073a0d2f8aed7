"""What turns pictures, sound and film into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from streams.settings.section import CommaSeparated, Section


class MediaSettings(Section):
    """Which encoders see and hear, what they may fetch, and how an item's media become one vector."""

    # --- Encoders ---
    # A CLIP or SigLIP of transformers, by name or path, for pictures and the frames of films; none: they are not
    # read. Its commit, where it is a name: pin it, or the vectors change when its owner changes the model.
    image_encoder: str | None = None
    image_encoder_revision: str | None = None
    # A Whisper of transformers, by name or path, for sound and the sound of films; none: it is not heard.
    speech_encoder: str | None = None
    speech_encoder_revision: str | None = None
    # `en`, `zh`, …; none: the model tells it from the first seconds. Set it where all recordings share one.
    speech_language: str | None = None

    # --- What may be read ---
    # Hosts that pictures and films may be fetched from: `images.shop.com`, `.shop.com` (all below it), with a
    # port where it is not 80 or 443; and addresses or networks in your own net that these may lead to
    # (`10.2.0.0/16`). None: no URL is fetched.
    hosts: CommaSeparated = Field(default=(), alias="media_hosts")
    # Folder that paths in catalog records are relative to and may not leave; none: no file is read.
    folder: Path | None = Field(default=None, alias="media_folder")
    # Bytes of one medium; seconds for its download; seconds for decoding it, after which it is refused.
    max_bytes: int = Field(default=20 * 1024 * 1024, ge=1024, alias="media_max_bytes")
    timeout_s: float = Field(default=10.0, gt=0, alias="media_timeout_s")
    decode_timeout_s: float = Field(default=30.0, gt=0, alias="media_decode_timeout_s")
    # Pixels of a picture or frame, four bytes of memory each while it is decoded; Pillow refuses more than that.
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000, alias="media_max_pixels")
    # Seconds of a recording that are heard, from its start; frames of a film that are seen, evenly over it.
    max_seconds: float = Field(default=600.0, gt=0, alias="media_max_seconds")
    frames: int = Field(default=8, ge=1, le=256, alias="media_frames")

    # --- Fusion ---
    # How an item's media become one vector, where pictures or recordings are encoded: `late` (side by side, needs
    # no fitting, as many dimensions as all together), or a file of `interestflow fit fusion`, which has `dimensions`.
    fusion: Literal["late"] | Path = "late"
    # What a medium counts beside the others, for `late` and for where fitting starts: twice the weight, twice the say.
    fusion_text_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_picture_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_transcript_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
