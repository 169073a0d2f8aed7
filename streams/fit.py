"""Fitting the projection from the catalogue's own texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from encoders.base import Encoder, identity
from encoders.projection import Projection
from streams.app import build_limits
from streams.encoder_app import build_raw_encoder
from streams.items import Item, decode_item
from streams.reading import read_all
from streams.security import librdkafka_config
from streams.settings import Settings, SettingsError

# Rows that a PCA of some hundred dimensions can use; a larger catalogue is sampled evenly.
MAX_TEXTS = 20_000
CHUNK = 256


def fit_projection(settings: Settings, output: Path, whiten: float) -> Projection:
    """Fit from the items in the catalogue topic and save. Raises SettingsError, ProjectionError."""
    texts = catalogue_texts(settings)
    if not texts:
        raise SettingsError(f"{settings.topic_items} holds no item with a text: load a catalogue first")
    encoder = build_raw_encoder(settings)
    projection = fit_texts(texts, encoder, settings.dimensions, whiten)
    projection.save(output)
    return projection


def fit_texts(texts: Iterable[str], encoder: Encoder, dim: int, whiten: float) -> Projection:
    """Encode the distinct texts (a spread of at most MAX_TEXTS) and fit."""
    distinct = sorted(set(texts))
    step = max(1, -(-len(distinct) // MAX_TEXTS))
    chosen = distinct[::step]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        chunks = [chosen[at : at + CHUNK] for at in range(0, len(chosen), CHUNK)]
        vectors = [encoder.encode(chunk) for chunk in progress.track(chunks, description="encoding")]
    return Projection.fit(np.concatenate(vectors), dim, whiten, source=identity(encoder))


def catalogue_texts(settings: Settings) -> list[str]:
    """Texts of the items in the catalogue topic, as they are now."""
    return [text for text in catalogue(settings).values() if text]


def catalogue(settings: Settings) -> dict[str, str]:
    """Text of each item in the catalogue topic, by id, as they are now."""
    limits = build_limits(settings)
    newest: dict[str, str] = {}
    for messages in read_all(librdkafka_config(settings), settings.topic_items):
        for message in messages:
            item = decode_item(_Record(message.key(), message.value()), limits)
            if isinstance(item, Item):
                newest[item.item_id] = item.text()
    return newest


class _Record:
    def __init__(self, key: bytes | None, value: bytes | None) -> None:
        self.key, self.value = key, value
