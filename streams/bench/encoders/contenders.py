"""The contenders: our encoder, and sentence-transformers at its default and best batch sizes; one CPU thread each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from encoders.core.base import Vectors
from encoders.text.transformer import TransformerEncoder
from streams.bench.errors import BenchError

OURS, THEIRS, THEIRS_AT_BEST = "interestflow", "sentence-transformers", "sentence-transformers, best batch"
MAX_LENGTH = 256
DEFAULT_BATCH = 32
BATCHES = (8, 16, 64, 128, 256)
# Texts on which the best batch size is sought.
TRIED = 256
Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Contender:
    """A name, and texts into float32 (n, dim), unit rows."""

    name: str
    encode: Encode


def ours() -> TransformerEncoder:
    """The encoder of the demo, as the stream runs it, without its cache."""
    return TransformerEncoder("demo", max_length=MAX_LENGTH, device="cpu", threads=1)


def theirs(folder: str, device: str = "cpu", **options: Any) -> Any:
    """The same model in sentence-transformers. Raises BenchError where that is not installed."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise BenchError(
            "the benchmark compares with sentence-transformers: run `pip install 'interestflow[bench,demo]'`"
        ) from error
    model = SentenceTransformer(folder, device=device, **options)
    model.max_seq_length = MAX_LENGTH
    return model


def encode_with(model: Any, batch: int) -> Encode:
    """sentence-transformers with this batch size."""

    def encode(texts: Sequence[str]) -> Vectors:
        found: Vectors = model.encode(
            list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
        )
        return found

    return encode


def at_best(model: Any, texts: Sequence[str]) -> tuple[Contender, int]:
    """Their best batch size for texts like these, by one try each."""
    seconds = {
        batch: timed(encode_with(model, batch), texts[:TRIED])[1] for batch in (DEFAULT_BATCH, *BATCHES)
    }
    batch = min(seconds, key=lambda size: seconds[size])
    return Contender(THEIRS_AT_BEST, encode_with(model, batch)), batch


def timed(encode: Encode, texts: Sequence[str]) -> tuple[Vectors, float]:
    """The vectors, and the CPU seconds of this process for them."""
    started = time.process_time()
    vectors = encode(texts)
    return vectors, time.process_time() - started


def cosine_gap(left: Vectors, right: Vectors) -> float:
    """max(1 - cosine) over the rows, in float64."""

    def units(rows: Vectors) -> npt.NDArray[np.float64]:
        wide = rows.astype(np.float64)
        found: npt.NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        return found

    # 1 - cos = |a - b|^2 / 2 for unit rows, which loses no digits where they are nearly equal.
    return float(((units(left) - units(right)) ** 2).sum(axis=1).max() / 2)


def one_thread() -> None:
    """For both sides alike."""
    torch.set_num_threads(1)
