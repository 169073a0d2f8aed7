"""Builds what sees and hears the media that the settings name; beside `app`, the only place that names them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.core.base import Encoder
from encoders.fitted.fusion import GatedFusion, LateFusion
from encoders.media.content import PICTURE, TEXT, TRANSCRIPT
from encoders.media.fused import FusedEncoder
from encoders.media.locations import MediaLocations
from streams.settings.sections.media import MediaSettings
from streams.settings.settings import Settings, SettingsError

if TYPE_CHECKING:
    from encoders.media.film import FilmEncoder, SpeechTranscriber
    from encoders.media.recordings import Limits


def build_pictures(settings: Settings) -> FilmEncoder | None:
    """What sees pictures and films, where the settings name a model for them. Raises EncoderError."""
    if settings.media.image_encoder is None:
        return None
    from encoders.media.film import FilmEncoder
    from encoders.media.image import ImageEncoder

    pictures = ImageEncoder(
        settings.media.image_encoder,
        revision=settings.media.image_encoder_revision,
        sources=_sources(settings.media),
        max_pixels=settings.media.max_pixels,
        threads=settings.encoder.threads,
    )
    return FilmEncoder(pictures, _limits(settings.media))


def build_transcripts(settings: Settings) -> SpeechTranscriber | None:
    """What hears recordings and films, where the settings name a model for them. Raises EncoderError."""
    if settings.media.speech_encoder is None:
        return None
    from encoders.media.film import SpeechTranscriber

    return SpeechTranscriber(
        settings.media.speech_encoder,
        revision=settings.media.speech_encoder_revision,
        language=settings.media.speech_language,
        sources=_sources(settings.media),
        limits=_limits(settings.media),
        threads=settings.encoder.threads,
    )


def _sources(media: MediaSettings) -> MediaLocations:
    return MediaLocations(media.folder, media.hosts, media.max_bytes, media.timeout_s)


def _limits(media: MediaSettings) -> Limits:
    from encoders.media.recordings import Limits

    return Limits(
        seconds=media.max_seconds,
        frames=media.frames,
        pixels=media.max_pixels,
        deadline_s=media.decode_timeout_s,
    )


def fusion_weights(media: MediaSettings) -> dict[str, float]:
    """What each medium counts."""
    return {
        TEXT: media.fusion_text_weight,
        PICTURE: media.fusion_picture_weight,
        TRANSCRIPT: media.fusion_transcript_weight,
    }


def fuse(settings: Settings, fitted: Path | None, text: Callable[[], Encoder]) -> FusedEncoder | None:
    """The encoder of contents, of unrelated dimensions where nothing is fitted; None where media are ignored.

    text: builds the encoder of texts. Raises SettingsError, EncoderError.
    """
    pictures, transcripts = build_pictures(settings), build_transcripts(settings)
    if pictures is None and transcripts is None:
        return None
    if settings.encoder.projection is not None:
        raise SettingsError(
            "INTERESTFLOW_PROJECTION is of texts alone: leave it out, and set INTERESTFLOW_FUSION to a file of "
            "`interestflow fit fusion`, which brings pictures and texts to INTERESTFLOW_DIMENSIONS"
        )
    weights = fusion_weights(settings.media)
    fusion = GatedFusion.load(fitted) if fitted else partial(LateFusion, weights=weights)
    return FusedEncoder(text(), fusion, pictures, transcripts)
