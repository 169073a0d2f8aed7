"""Builds the encoder that the settings name; beside `app`, the only place that names one."""

from __future__ import annotations

from pathlib import Path

from encoders.base import Encoder
from encoders.cache import CachedEncoder
from encoders.hashing import HashingEncoder
from encoders.onnx import PREFIX, OnnxEncoder
from encoders.projection import ProjectedEncoder, Projection
from streams.settings import Settings, SettingsError


def build_raw_encoder(settings: Settings) -> Encoder:
    """The encoder by name, before projection and cache."""
    if settings.encoder == "hashing":
        return HashingEncoder(settings.dimensions)
    if settings.encoder.startswith(PREFIX):
        folder = Path(settings.encoder.removeprefix(PREFIX))
        return OnnxEncoder(folder, max_length=settings.encoder_max_tokens, threads=settings.encoder_threads)
    # Imported late: torch takes seconds, and whoever hashes needs none of it.
    from encoders.transformer import TransformerEncoder

    return TransformerEncoder(
        settings.encoder,
        revision=settings.encoder_revision,
        max_length=settings.encoder_max_tokens,
        threads=settings.encoder_threads,
    )


def build_encoder(settings: Settings) -> Encoder:
    """The encoder as the stream uses it: projected to `dimensions`, cached. Raises SettingsError."""
    encoder = build_raw_encoder(settings)
    if settings.projection is not None:
        encoder = ProjectedEncoder(encoder, Projection.load(settings.projection))
    if encoder.dim != settings.dimensions:
        raise SettingsError(
            f"{settings.encoder} gives {encoder.dim} dimensions, not {settings.dimensions}: run `interestflow fit "
            f"projection` and set INTERESTFLOW_PROJECTION to its file, or set INTERESTFLOW_DIMENSIONS={encoder.dim}"
        )
    return CachedEncoder(encoder, settings.encoder_cache_items) if settings.encoder_cache_items else encoder
