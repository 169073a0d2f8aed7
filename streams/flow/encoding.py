"""Encodes and scores texts. A text that a model cannot take is isolated; its neighbours are read all the same."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from encoders.core.base import Encoder
from encoders.media.content import Content, ContentEncoder, Encoded, Failure, good_picture
from encoders.sentiment.base import Sentiment
from streams.events.isolation import isolate, unexpected
from streams.events.rejections import Reason, Rejected
from streams.flow.decoded import Decoded
from streams.interest.base import Floats

STAGE = "update.encode"
SCORE_STAGE = "update.sentiment"
# Each known good text has a number of its own: a cache would answer for an encoder that is gone.
_known_good = count()


@dataclass(frozen=True, slots=True)
class Scoring:
    """A sentiment model, and the actions whose texts it scores."""

    sentiment: Sentiment
    actions: Container[str]


def encode_isolating(
    encoder: Encoder, texts: Sequence[str], stage: str
) -> tuple[Floats, dict[int, Rejected]]:
    """Float32 (t, dim), in order, of the texts that can be encoded, and why not, by index, of the others.

    Raises EverythingFailsError where the encoder fails for texts that are known to be good.
    """

    def encode(some: Sequence[str]) -> Floats:
        vectors = encoder.encode(some)
        _require_finite(vectors)
        return vectors

    return _isolating(encode, texts, np.zeros((0, encoder.dim), dtype=np.float32), stage)


def score_texts(scoring: Scoring, decoded: Decoded) -> None:
    """Score the texts of the events of these actions; refuse the events whose text gets no score.

    Raises EverythingFailsError where the model fails for texts that are known to be good.
    """

    def score(some: Sequence[str]) -> Floats:
        scores = scoring.sentiment.score(some)
        if not (np.abs(scores) <= 1).all():
            raise FloatingPointError("the sentiment of a text does not lie in [-1, 1]")
        return scores

    asked = decoded.with_text(scoring.actions)
    texts = [decoded.events.texts[index] for index in asked]
    scores, refused = _isolating(score, texts, np.zeros(0, dtype=np.float32), SCORE_STAGE)
    scored = [index for row, index in enumerate(asked) if row not in refused]
    decoded.scores = dict(zip(scored, scores.tolist(), strict=True))
    decoded.refused.update({asked[row]: reason for row, reason in refused.items()})


def _isolating(
    read: Callable[[Sequence[str]], Floats], texts: Sequence[str], nothing: Floats, stage: str
) -> tuple[Floats, dict[int, Rejected]]:
    """What `read` makes of each text, by row, and why not, by index, of the others. nothing: the result for no text."""
    if not texts:
        return nothing, {}

    def attempt(run: range) -> Floats:
        return read(texts[run.start : run.stop])

    runs, failed = isolate(len(texts), attempt, lambda: read([f"red mug {next(_known_good)}"]))
    rows: Floats = np.concatenate(runs) if runs else nothing
    return rows, {index: unexpected(error, stage) for index, error in failed.items()}


def encode_contents(
    encoder: ContentEncoder, contents: Sequence[Content], stage: str
) -> tuple[Floats, dict[int, Rejected], dict[int, tuple[Failure, ...]]]:
    """Encode contents as `encode_isolating` encodes texts; also by index the media that could not be read.

    A content is refused where nothing can be read of it. Raises EverythingFailsError.
    """

    def attempt(run: range) -> tuple[int, Encoded]:
        found = encoder.read_contents(contents[run.start : run.stop])
        _require_finite(np.delete(found.vectors, found.unreadable(), axis=0))
        return run.start, found

    def probe() -> None:
        number = next(_known_good)
        good = Content(f"red mug {number}", (good_picture(number),))
        _require_finite(encoder.read_contents([good]).vectors)

    runs, poison = isolate(len(contents), attempt, probe)
    refused = {index: unexpected(error, stage) for index, error in poison.items()}
    kept: list[Floats] = [np.zeros((0, encoder.dim), dtype=np.float32)]
    failed: dict[int, tuple[Failure, ...]] = {}
    for start, found in runs:
        failed |= {start + index: failures for index, failures in found.failed.items()}
        unreadable = found.unreadable()
        refused |= {start + index: _unreadable(found.failed[index], stage) for index in unreadable}
        kept.append(np.delete(found.vectors, unreadable, axis=0))
    return np.concatenate(kept), refused, failed


def _unreadable(failures: Sequence[Failure], stage: str) -> Rejected:
    message = f"it has no text, and its media cannot be read: {failures[0]}"
    return Rejected(Reason.MEDIA_UNREADABLE, message, stage)


def _require_finite(vectors: Floats) -> None:
    if not np.isfinite(vectors).all():
        raise FloatingPointError("the encoder's vector of a text is not finite")
