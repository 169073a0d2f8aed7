"""The items' vectors and what encodes texts beside them, as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.core.base import Encoder, close
from encoders.fitted.moments import Moments
from encoders.fitted.projection import Projection
from encoders.media.content import ContentEncoder
from streams.catalog.items import Item, content_of
from streams.flow.encoding import Scoring, encode_contents, encode_isolating
from streams.history.evaluate.contender import Floats
from streams.settings.settings import Settings
from streams.wiring.app import state_space
from streams.wiring.encoder import build_encoder, build_raw_encoder, build_scoring, served

# Items that are encoded between two steps of the progress bar.
CHUNK = 256
STAGE = "evaluate"


@dataclass(frozen=True, slots=True)
class Space:
    """settings: with the projection that was fitted. vectors: (items, dim) of the items. name: the space's identity."""

    settings: Settings
    encoder: Encoder
    scoring: Scoring | None
    vectors: Floats
    name: str


def build_space(
    settings: Settings,
    items: Sequence[Item],
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Space:
    """Encode the items. progress: is told how many of how many are done.

    Where the encoder has other dimensions than the settings want, and they name no projection, one is fitted from the
    items' texts, as `interestflow fit projection` would, and saved in the folder. Raises SettingsError, EncoderError.
    """
    raw = _unprojected(settings)
    if raw is None:
        encoder = build_encoder(settings)
        vectors = _encoded(encoder, items, progress)
    else:
        found = _encoded(raw, items, progress)
        close(raw)
        projection = Projection.of(Moments.of(found), settings.encoder.dimensions)
        path = folder / "projection.safetensors"
        projection.save(path)
        settings = settings.model_copy(update={"projection": path})
        encoder, vectors = build_encoder(settings), projection.apply(found)
    scoring = build_scoring(settings)
    return Space(settings, encoder, scoring, vectors, state_space(encoder, scoring))


def _unprojected(settings: Settings) -> Encoder | None:
    """The encoder of texts where a projection must be fitted first, with its cache; to be closed."""
    options, media = settings.encoder, settings.media
    if options.projection is not None or media.image_encoder or media.speech_encoder:
        return None
    raw = build_raw_encoder(options)
    return served(raw, options) if raw.dim > options.dimensions else None


def _encoded(encoder: Encoder, items: Sequence[Item], progress: Callable[[int, int], None]) -> Floats:
    """(items, dim); an item that cannot be encoded has a vector of zeros."""
    vectors = np.zeros((len(items), encoder.dim), dtype=np.float32)
    for begin in range(0, len(items), CHUNK):
        chunk = items[begin : begin + CHUNK]
        if isinstance(encoder, ContentEncoder):
            contents = [content_of(item, encoder) for item in chunk]
            found, refused, _ = encode_contents(encoder, contents, STAGE)
        else:
            found, refused = encode_isolating(encoder, [item.text() for item in chunk], STAGE)
        kept = [begin + index for index in range(len(chunk)) if index not in refused]
        vectors[kept] = found
        progress(begin + len(chunk), len(items))
    return vectors
