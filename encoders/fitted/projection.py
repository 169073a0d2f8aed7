"""A linear projection to fewer dimensions, versioned by content: y = unit((x - mean) W).

`reductions` says how mean and matrix are found: mean-centred, half-whitened PCA by default.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from encoders.core.base import Encoder, Vectors
from encoders.fitted.fitted_file import FittedFile
from encoders.fitted.moments import Doubles, Moments, ProjectionError
from encoders.fitted.reductions import FITTED, HALF, reduction

# Told here too: whoever applies a projection has to catch it.
__all__ = ["ProjectedEncoder", "Projection", "ProjectionError"]

FILE = FittedFile("interestflow-projection-1", "projection", "projection", ProjectionError)


class Projection:
    """From (B, D) to (B, dim)."""

    def __init__(self, mean: Doubles, matrix: Doubles, metadata: dict[str, Any]) -> None:
        """mean (D,), matrix (D, dim); metadata: whiten, source, rows and the like, kept in the file."""
        self.mean, self.matrix, self.metadata = mean, matrix, metadata
        self.input_dim, self.dim = matrix.shape
        digest = blake2b(digest_size=8)
        digest.update(np.ascontiguousarray(mean, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(matrix, dtype="<f8").tobytes())
        self.version = digest.hexdigest()

    @classmethod
    def fit(
        cls, vectors: Vectors, dim: int = 128, whiten: float | None = None, source: str = ""
    ) -> Projection:
        """By PCA from vectors (N, D) in memory; see `of`. Raises ProjectionError."""
        return cls.of(Moments.of(vectors), dim, "pca", whiten, source=source)

    @classmethod
    def of(
        cls,
        moments: Moments,
        dim: int = 128,
        method: str = "pca",
        whiten: float | None = None,
        seed: int = 0,
        source: str = "",
    ) -> Projection:
        """From the moments of vectors; see `reductions.reduction`. source: the space that they are of.

        Raises ProjectionError.
        """
        mean, matrix = reduction(moments, dim, method, whiten, seed)
        about: dict[str, Any] = {"method": method, "source": source}
        if method in FITTED:
            about |= {"whiten": HALF if whiten is None else whiten, "rows": moments.count}
        elif method == "random":
            about["seed"] = seed
        return cls(mean, matrix, about)

    def apply(self, vectors: Vectors) -> Vectors:
        """(B, D) to (B, dim), unit rows; a row's bits depend on that row alone. Raises ProjectionError."""
        if vectors.ndim != 2 or vectors.shape[1] != self.input_dim:
            raise ProjectionError(
                f"the projection takes {self.input_dim} dimensions, the encoder gives {vectors.shape[-1]}: run "
                f"`interestflow fit projection` with this encoder"
            )
        projected = np.empty((len(vectors), self.dim), dtype=np.float64)
        for row, vector in enumerate(vectors):
            # Row by row: BLAS may sum a matrix product in another order for another batch size.
            projected[row] = (vector.astype(np.float64) - self.mean) @ self.matrix
        norms = np.sqrt((projected * projected).sum(axis=1, keepdims=True))
        units = np.divide(projected, norms, out=np.zeros_like(projected), where=norms > 0)
        units[norms[:, 0] == 0, 0] = 1.0
        rows: Vectors = units.astype(np.float32)
        return rows

    def save(self, path: Path) -> None:
        """As safetensors, with the metadata."""
        tensors = {"mean": self.mean, "matrix": self.matrix}
        FILE.save(path, tensors, self.version, {"about": json.dumps(self.metadata)})

    @classmethod
    def load(cls, path: Path) -> Projection:
        """Raises ProjectionError where the file is missing, damaged or no projection."""
        return FILE.load(
            path,
            lambda tensors, about: cls(tensors["mean"], tensors["matrix"], json.loads(about["about"])),
            lambda made: made.version,
        )


class ProjectedEncoder:
    """An encoder seen through a projection: a space of its own, with a revision of its own."""

    def __init__(self, inner: Encoder, projection: Projection) -> None:
        """Raises ProjectionError where the dimensions do not fit."""
        if inner.dim != projection.input_dim:
            projection.apply(np.zeros((1, inner.dim), dtype=np.float32))
        self.inner, self.projection = inner, projection
        self.id, self.dim = inner.id, projection.dim
        self.revision = f"{inner.revision}+{projection.version}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        return self.projection.apply(self.inner.encode(texts))
