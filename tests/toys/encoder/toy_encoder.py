"""Encoder `letters`: how often each letter occurs in a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoders.core.base import Vectors
from encoders.core.options import EncoderOptions


class LettersEncoder:
    """Letters that have the same remainder share a dimension."""

    id = "letters"

    def __init__(self, dim: int) -> None:
        self.dim, self.revision = dim, str(dim)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        # A text without letters has a direction too.
        vectors[:, 0] = 1
        for row, text in enumerate(texts):
            for letter in text:
                vectors[row, ord(letter) % self.dim] += 1
        units: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return units


def from_settings(options: EncoderOptions) -> LettersEncoder:
    """Of the stream's dimensions."""
    return LettersEncoder(options.dimensions)
