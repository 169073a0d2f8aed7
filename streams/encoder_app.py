"""Builds the encoder that the settings name; beside `app`, the only place that names one."""

from __future__ import annotations

from encoders.base import Encoder, layers
from encoders.cache import CachedEncoder
from encoders.hashing import HashingEncoder
from encoders.pool import EncoderPool
from encoders.projection import ProjectedEncoder, Projection
from streams.settings import Settings, SettingsError

# Of a joint batch, where the encoder itself does not say how many tokens it takes at once.
BATCH_TOKENS = 1024


def build_raw_encoder(settings: Settings) -> Encoder:
    """The encoder by name, before projection and cache."""
    if settings.encoder == "hashing":
        return HashingEncoder(settings.dimensions)
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
    encoder = _pooled(encoder, settings)
    return CachedEncoder(encoder, settings.encoder_cache_items) if settings.encoder_cache_items else encoder


def _pooled(encoder: Encoder, settings: Settings) -> Encoder:
    """Behind a queue and workers; not hashing, which is done before a worker wakes, and by one thread at a time."""
    if settings.encoder == "hashing":
        return encoder
    device = next((layer.device for layer in layers(encoder) if hasattr(layer, "device")), "cpu")
    if device != "cpu" and settings.encoder_workers > 1:
        raise SettingsError(
            f"the encoder runs on {device}, where workers would only wait for each other: set "
            f"INTERESTFLOW_ENCODER_WORKERS=1"
        )
    budgets = [layer.token_budget for layer in layers(encoder) if hasattr(layer, "token_budget")]
    return EncoderPool(
        encoder,
        workers=settings.encoder_workers,
        batch_tokens=budgets[0] if budgets else BATCH_TOKENS,
        max_tokens=settings.encoder_max_tokens,
    )
