"""The catalog's vectors as the encoder gives them, kept in a file, for encoding takes longer than all the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from encoders.core.base import Encoder, Vectors, identity

CHUNK = 256


def encoded(
    texts: Sequence[str], encoder: Encoder, folder: Path | None, say: Callable[[str], None]
) -> Vectors:
    """(n, dim) float32, in the texts' order. folder: where they are kept under a hash of encoder and texts."""
    digest = blake2b(identity(encoder).encode(), digest_size=8)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    path = folder / f"{digest.hexdigest()}.npy" if folder is not None else None
    if path is not None and path.is_file():
        kept: Vectors = np.load(path)
        return kept
    chunks = []
    for at in range(0, len(texts), CHUNK):
        chunks.append(encoder.encode(texts[at : at + CHUNK]))
        if at % (8 * CHUNK) == 0:
            say(f"encoded {at:,} of {len(texts):,} texts")
    vectors = np.concatenate(chunks)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
    return vectors
