"""Builds the encoder that the settings name; beside `app`, the only place that names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from encoders.base import Encoder
from encoders.cache import CachedEncoder
from encoders.hashing import HashingEncoder
from encoders.projection import ProjectedEncoder, Projection
from encoders.sources import Sources
from streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from encoders.media import FilmEncoder, SpeechTranscriber
    from encoders.recordings import Limits


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
    return CachedEncoder(encoder, settings.encoder_cache_items) if settings.encoder_cache_items else encoder


def build_pictures(settings: Settings) -> FilmEncoder | None:
    """What sees pictures and films, where the settings name a model for them. Raises EncoderError."""
    if settings.image_encoder is None:
        return None
    from encoders.image import ImageEncoder
    from encoders.media import FilmEncoder

    pictures = ImageEncoder(
        settings.image_encoder,
        revision=settings.image_encoder_revision,
        sources=_sources(settings),
        max_pixels=settings.media_max_pixels,
        threads=settings.encoder_threads,
    )
    return FilmEncoder(pictures, _limits(settings))


def build_transcripts(settings: Settings) -> SpeechTranscriber | None:
    """What hears recordings and films, where the settings name a model for them. Raises EncoderError."""
    if settings.speech_encoder is None:
        return None
    from encoders.media import SpeechTranscriber

    return SpeechTranscriber(
        settings.speech_encoder,
        revision=settings.speech_encoder_revision,
        language=settings.speech_language,
        sources=_sources(settings),
        limits=_limits(settings),
        threads=settings.encoder_threads,
    )


def _sources(settings: Settings) -> Sources:
    return Sources(
        settings.media_folder, settings.media_hosts, settings.media_max_bytes, settings.media_timeout_s
    )


def _limits(settings: Settings) -> Limits:
    from encoders.recordings import Limits

    return Limits(
        seconds=settings.media_max_seconds,
        frames=settings.media_frames,
        pixels=settings.media_max_pixels,
        deadline_s=settings.media_decode_timeout_s,
    )
