"""Mean-centred, partly whitened PCA, versioned by content.

y = unit((x - mean) W), W = V diag(s^-a): V the leading principal directions, s the standard deviations along
them, a the whitening exponent (0 none, 1 full). Subtracting the mean matters most: sentence embeddings share
one large direction (Mu and Viswanath, All-but-the-Top, ICLR 2018). Half whitening is the safe default.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from encoders.base import Encoder, Vectors

Doubles = npt.NDArray[np.float64]
FORMAT = "interestflow-projection-1"
# Directions with less than this share of the largest deviation are noise; whitening must not blow them up.
FLOOR = 1e-4


class ProjectionError(ValueError):
    """A projection cannot be fitted, loaded or applied; the message says what to do."""


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
    def fit(cls, vectors: Vectors, dim: int = 128, whiten: float = 0.5, source: str = "") -> Projection:
        """From vectors (N, D), N > dim, D >= dim. source: the space that they are of. Raises ProjectionError."""
        rows, width = vectors.shape
        if not np.isfinite(vectors).all():
            raise ProjectionError("the vectors to fit from hold NaN or infinity: check the encoder")
        if width < dim:
            raise ProjectionError(
                f"cannot project {width} dimensions to {dim}: lower INTERESTFLOW_DIMENSIONS"
            )
        if rows <= dim:
            raise ProjectionError(
                f"{rows} different items are too few for {dim} dimensions: load more than {dim} items, or lower "
                f"INTERESTFLOW_DIMENSIONS below {rows}, and run `interestflow fit projection` again"
            )
        data = vectors.astype(np.float64)
        mean = data.mean(axis=0)
        _, deviations, directions = np.linalg.svd(data - mean, full_matrices=False)
        deviations = deviations[:dim] / np.sqrt(rows)
        if deviations[0] == 0:
            raise ProjectionError("all items have one and the same vector: check the catalogue's texts")
        axes = directions[:dim].T
        # The sign of a singular vector is arbitrary; the largest entry positive makes it the same everywhere.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
        scale = np.where(
            deviations > FLOOR * deviations[0], np.maximum(deviations, FLOOR * deviations[0]) ** -whiten, 0.0
        )
        # Scaled by the largest, so that the projection's numbers stay near one whatever the input's scale.
        matrix = axes * (scale * deviations[0] ** whiten)
        return cls(mean, matrix, {"whiten": whiten, "source": source, "rows": rows})

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
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"mean": np.ascontiguousarray(self.mean), "matrix": np.ascontiguousarray(self.matrix)}
        about = {"format": FORMAT, "version": self.version, "about": json.dumps(self.metadata)}
        save_file(tensors, path, metadata=about)

    @classmethod
    def load(cls, path: Path) -> Projection:
        """Raises ProjectionError where the file is missing, damaged or no projection."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                mean, matrix = file.get_tensor("mean"), file.get_tensor("matrix")
            if about.get("format") != FORMAT:
                raise ProjectionError(_advice(path, "is no projection"))
            projection = cls(mean, matrix, json.loads(about["about"]))
        except FileNotFoundError as error:
            raise ProjectionError(_advice(path, "does not exist")) from error
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            if isinstance(error, ProjectionError):
                raise
            raise ProjectionError(_advice(path, f"cannot be read ({error})")) from error
        if projection.version != about.get("version"):
            raise ProjectionError(_advice(path, "is damaged: its content does not match its version"))
        return projection


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


def _advice(path: Path, what: str) -> str:
    return f"projection file {path} {what}: make it with `interestflow fit projection --output {path}`"
