"""Texts to vectors, around texts that the encoder cannot take: isolated, their neighbours encoded all the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np

from encoders.base import Encoder
from streams.decoded import Decoded
from streams.interest.base import Floats
from streams.isolation import isolate, unexpected
from streams.rejections import Rejected

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


def _encode(encoder: Encoder, texts: Sequence[str]) -> Floats:
    vectors = encoder.encode(texts)
    if not np.isfinite(vectors).all():
        raise FloatingPointError("the encoder's vector of a text is not finite")
    return vectors
