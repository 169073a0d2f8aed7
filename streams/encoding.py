"""Texts to vectors, around texts that the encoder cannot take: isolated, their neighbours encoded all the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np

from encoders.base import Encoder
from encoders.content import Content, ContentEncoder, Encoded, Failure, good_picture
from streams.decoded import Decoded
from streams.interest.base import Floats
from streams.isolation import isolate, unexpected
from streams.rejections import Reason, Rejected

STAGE = "update.encode"
# Numbered, since a cache would answer for an encoder that is gone.
_known_good = count()


def encode_texts(encoder: Encoder, decoded: Decoded) -> Floats:
    """Vectors (t, dim) of the batch's texts; refuses the events whose text has none. Raises as `encode_isolating`."""
    vectors, refused = encode_isolating(encoder, decoded.texts(), STAGE)
    decoded.refuse(refused)
    return vectors


def encode_isolating(
    encoder: Encoder, texts: Sequence[str], stage: str
) -> tuple[Floats, dict[int, Rejected]]:
    """Float32 (t, dim), in order, of the texts that can be encoded, and why not, by index, of the others.

    Raises EverythingFailsError where the encoder fails for texts that are known to be good.
    """
    if not texts:
        return np.zeros((0, encoder.dim), dtype=np.float32), {}

    def attempt(run: range) -> Floats:
        return _encode(encoder, texts[run.start : run.stop])

    runs, failed = isolate(len(texts), attempt, lambda: _encode(encoder, [f"red mug {next(_known_good)}"]))
    vectors: Floats = np.concatenate(runs) if runs else np.zeros((0, encoder.dim), dtype=np.float32)
    return vectors, {index: unexpected(error, stage) for index, error in failed.items()}


def encode_contents(
    encoder: ContentEncoder, contents: Sequence[Content], stage: str
) -> tuple[Floats, dict[int, Rejected], dict[int, tuple[Failure, ...]]]:
    """The same of contents; and by index the media that were left out, of those refused too.

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
    message = f"it has no text, and its media cannot be read: {failures[0].message}"
    return Rejected(Reason.MEDIA_UNREADABLE, message, stage)


def _encode(encoder: Encoder, texts: Sequence[str]) -> Floats:
    vectors = encoder.encode(texts)
    _require_finite(vectors)
    return vectors


def _require_finite(vectors: Floats) -> None:
    if not np.isfinite(vectors).all():
        raise FloatingPointError("the encoder's vector of a text is not finite")
