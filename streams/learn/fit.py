"""Fits the projection from the texts of the catalog, in memory that does not grow with the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from encoders.core.base import Encoder, identity
from encoders.fitted.lda import TopicEncoder
from encoders.fitted.moments import Moments
from encoders.fitted.projection import Projection
from encoders.fitted.reductions import FITTED, check
from streams.learn.sampling import texts
from streams.learn.topic_contents import changes
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_raw_encoder

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Fit:
    """How to fit; method, whiten and seed as in `encoders.fitted.reductions`. sample: items at most, none for all."""

    method: str = "pca"
    whiten: float | None = None
    seed: int = 0
    sample: int | None = None


def fit_projection(settings: Settings, output: Path, fit: Fit) -> Projection:
    """Fit from the items in the catalog topic and save. Raises SettingsError, ProjectionError, ReadError."""
    if settings.media.image_encoder or settings.media.speech_encoder:
        raise SettingsError(
            "a projection is of texts alone, and no worker takes one where pictures or recordings are encoded: run "
            "`interestflow fit fusion`, or leave INTERESTFLOW_IMAGE_ENCODER and INTERESTFLOW_SPEECH_ENCODER out"
        )
    encoder = build_raw_encoder(settings.encoder)
    # Checked before hours of encoding, not after them.
    check(encoder.dim, settings.encoder.dimensions, fit.method, fit.whiten)
    moments = Moments(encoder.dim)
    if fit.method in FITTED:
        moments = moments_of(texts(lambda: changes(settings), fit.sample), encoder)
        if not moments.count:
            raise SettingsError(f"{settings.topics.items} holds no item with a text: load a catalog first")
    projection = Projection.of(
        moments, settings.encoder.dimensions, fit.method, fit.whiten, fit.seed, source=identity(encoder)
    )
    projection.save(output)
    return projection


def fit_topics(settings: Settings, output: Path, seed: int) -> TopicEncoder:
    """Fit a topic model of as many topics as dimensions from the texts in the catalog topic, and save it. Raises
    EncoderError."""
    encoder = TopicEncoder.fit(
        lambda: texts(lambda: changes(settings)), settings.encoder.dimensions, seed=seed
    )
    encoder.save(output)
    return encoder


def moments_of(given: Iterable[str], encoder: Encoder) -> Moments:
    """Of the texts' vectors. The same texts in the same order give the same bits."""
    moments = Moments(encoder.dim)
    columns = (SpinnerColumn(), TextColumn("encoding"), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("encoding", total=None)
        for chunk in _chunks(given):
            moments.add(encoder.encode(chunk))
            progress.advance(task, len(chunk))
    return moments


def _chunks(given: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in given:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
