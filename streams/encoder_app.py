"""Builds the encoder that the settings name; beside `app`, the only place that names one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from encoders.base import Encoder
from encoders.cache import CachedEncoder
from encoders.content import PICTURE, TEXT, TRANSCRIPT, Pictures, Transcripts
from encoders.fused import FusedEncoder
from encoders.fusion import GatedFusion, LateFusion
from encoders.hashing import HashingEncoder
from encoders.projection import ProjectedEncoder, Projection
from streams.settings import Settings, SettingsError


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


def build_pictures(settings: Settings) -> Pictures | None:
    """None: pictures are ignored."""
    return None


def build_transcripts(settings: Settings) -> Transcripts | None:
    """None: recordings are ignored."""
    return None


def fusion_weights(settings: Settings) -> dict[str, float]:
    """What each medium counts."""
    return {
        TEXT: settings.fusion_text_weight,
        PICTURE: settings.fusion_picture_weight,
        TRANSCRIPT: settings.fusion_transcript_weight,
    }


def build_fused(settings: Settings, fitted: Path | None) -> FusedEncoder | None:
    """The encoder of contents, of unrelated dimensions where nothing is fitted; None where media are ignored."""
    pictures, transcripts = build_pictures(settings), build_transcripts(settings)
    if pictures is None and transcripts is None:
        return None
    if settings.projection is not None:
        raise SettingsError(
            "INTERESTFLOW_PROJECTION is of texts alone: leave it out, and set INTERESTFLOW_FUSION to a file of "
            "`interestflow fit fusion`, which brings pictures and texts to INTERESTFLOW_DIMENSIONS"
        )
    text = build_raw_encoder(settings)
    if settings.encoder_cache_items:
        text = CachedEncoder(text, settings.encoder_cache_items)
    weights = fusion_weights(settings)
    fusion = GatedFusion.load(fitted) if fitted else partial(LateFusion, weights=weights)
    return FusedEncoder(text, fusion, pictures, transcripts)


def build_encoder(settings: Settings) -> Encoder:
    """The encoder as the stream uses it: projected to `dimensions`, cached. Raises SettingsError."""
    fused = build_fused(settings, settings.fusion if isinstance(settings.fusion, Path) else None)
    if fused is not None:
        if fused.dim != settings.dimensions:
            raise SettingsError(
                f"the media together have {fused.dim} dimensions, not {settings.dimensions}: run `interestflow fit "
                f"fusion` and set INTERESTFLOW_FUSION to its file, or set INTERESTFLOW_DIMENSIONS={fused.dim}"
            )
        return fused
    encoder = build_raw_encoder(settings)
    if settings.projection is not None:
        encoder = ProjectedEncoder(encoder, Projection.load(settings.projection))
    if encoder.dim != settings.dimensions:
        raise SettingsError(
            f"{settings.encoder} gives {encoder.dim} dimensions, not {settings.dimensions}: run `interestflow fit "
            f"projection` and set INTERESTFLOW_PROJECTION to its file, or set INTERESTFLOW_DIMENSIONS={encoder.dim}"
        )
    return CachedEncoder(encoder, settings.encoder_cache_items) if settings.encoder_cache_items else encoder
