"""Feature hashing: no model, no download, the same vector on every machine. For tests and dry runs.

Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009 (signed hashing).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from encoders.core.base import Vectors
from encoders.core.options import EncoderOptions

NGRAM = 3


class HashingEncoder:
    """Words and character trigrams, hashed with a sign; texts that share words are near."""

    id = "hashing"

    def __init__(self, dim: int = 128, seed: int = 0) -> None:
        """dim: at least 2. seed: another seed is another space."""
        if dim < 2:
            raise ValueError("a hashing encoder needs at least 2 dimensions")
        self.dim, self.revision, self._seed = dim, f"{dim}-{seed}", seed

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder. A text without any feature is the first axis."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float64)
        for row, text in enumerate(texts):
            for feature, weight in _features(text):
                place, sign = _slot(feature, self.dim, self._seed)
                vectors[row, place] += sign * weight
        vectors[~vectors.any(axis=1), 0] = 1.0
        units: Vectors = (vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))).astype(
            np.float32
        )
        return units


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in unicodedata.normalize("NFKC", text).lower().split():
        yield word, 1.0
        padded = f"^{word}$"
        for start in range(len(padded) - NGRAM + 1):
            yield padded[start : start + NGRAM], 0.25


@lru_cache(maxsize=65_536)
def _slot(feature: str, dim: int, seed: int) -> tuple[int, float]:
    salt = seed.to_bytes(8, "little", signed=True)
    digest = blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
    hashed = int.from_bytes(digest, "little")
    return (hashed >> 1) % dim, 1.0 if hashed & 1 else -1.0


def from_settings(options: EncoderOptions) -> HashingEncoder:
    """With as many dimensions as the stream has."""
    return HashingEncoder(options.dimensions)
