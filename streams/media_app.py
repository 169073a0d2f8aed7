"""Builds what sees and hears the media that the settings name; beside `app`, the only place that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from encoders.sources import Sources
from streams.settings import Settings

if TYPE_CHECKING:
    from encoders.media import FilmEncoder, SpeechTranscriber
    from encoders.recordings import Limits


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
