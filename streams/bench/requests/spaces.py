"""Vectors of items, and of users who are interested in some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from encoders.core.base import Encoder
from encoders.fitted.projection import Projection
from streams.bench.projections.catalog import encoded
from streams.bench.projections.history import SOURCES
from streams.bench.requests.workload import Workload
from streams.catalog.items import Item
from streams.recommend.base import Floats

NAMES = ("alike", "random")
# By how much a copy of a title's vector is moved, in parts of its length.
JITTER = 0.5
# Of an interest: items, what each counts of the one after it, the items from which a user has two tastes, how many of
# them are near a taste, and the share of items that are of a taste.
MADE_OF, FALL, FROM, NEAR, OF_TASTE = 32, 0.9, 20_000, 300, 0.7


def unit(vectors: Floats) -> Floats:
    """The same at length 1."""
    found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def made(name: str, items: int, dim: int, seed: int, texts: Floats | None) -> Floats:
    """(items, dim) of one of NAMES. texts: (n, dim) vectors of titles; without them, those of made-up kinds."""
    if name == "random":
        return random(items, dim, seed)
    return Workload(items, dim, seed).vectors if texts is None else titles(texts, items, seed)


def random(items: int, dim: int, seed: int) -> Floats:
    """(items, dim) in all directions alike: no item is near another, the hardest that there is."""
    return unit(np.random.default_rng(seed).standard_normal((items, dim), dtype=np.float32))


def titles(texts: Floats, items: int, seed: int) -> Floats:
    """(items, dim) of the vectors of texts (n, dim), each once; then copies of them that are moved a little."""
    rng, number = np.random.default_rng(seed), max(0, items - len(texts))
    moved: Floats = rng.standard_normal((number, texts.shape[1]), dtype=np.float32)
    moved *= np.float32(JITTER / texts.shape[1] ** 0.5)
    moved += texts[rng.integers(0, len(texts), number)]
    return np.concatenate((unit(texts[:items]), unit(moved)))


def encoded_titles(
    folder: Path, kept: Path | None, encoder: Encoder, dim: int, say: Callable[[str], None]
) -> Floats:
    """(n, dim) of all items of the data sets in the folder, projected as `interestflow fit projection` does.

    kept: folder of encoded texts. Raises DatasetError, EncoderError.
    """
    found = []
    for source in SOURCES:
        items = [msgspec.convert(item, Item) for item in source.read(folder / source.path).items]
        found.append(encoded([item.text() for item in items], encoder, kept, say))
    vectors = np.concatenate(found)
    return Projection.fit(vectors, dim).apply(vectors) if vectors.shape[1] > dim else unit(vectors)


def interests(vectors: Floats, number: int, seed: int) -> Floats:
    """(number, dim) decayed sums of items: mostly of those near two of them, and some of any kind."""
    rng = np.random.default_rng(seed)
    few = vectors[np.sort(rng.permutation(len(vectors))[:FROM])]
    tastes = rng.integers(0, len(few), (number, 2))
    products = few[tastes.ravel()] @ few.T
    near = np.argpartition(-products, min(NEAR, len(few)) - 1, axis=1)[:, :NEAR].reshape(number, 2, -1)
    chosen = near[
        np.arange(number)[:, None],
        rng.integers(0, 2, (number, MADE_OF)),
        rng.integers(0, near.shape[2], (number, MADE_OF)),
    ]
    rows = np.where(rng.random(chosen.shape) < OF_TASTE, chosen, rng.integers(0, len(few), chosen.shape))
    counts = FALL ** np.arange(MADE_OF, dtype=np.float32)
    return unit(np.einsum("h,uhd->ud", counts, few[rows]).astype(np.float32))
