"""Count, mean and second moment of vectors that need not fit in memory: one pass, batch by batch.

Each batch's own mean and centred second moment are merged into those so far by the pairwise update of Chan,
Golub and LeVeque (Algorithms for Computing the Sample Variance, The American Statistician 1983). It never
subtracts two large sums, so it is as exact as the textbook's two passes. For vectors of a few hundred to some
thousand dimensions the D x D moment fits, so nothing is approximated, as an incremental SVD would.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


class ProjectionError(ValueError):
    """A projection cannot be fitted, loaded or applied; the message says what to do."""


class Moments:
    """What a PCA needs to know of N vectors, in memory of 8 D (D + 1) bytes.

    count: N. mean (D,). scatter (D, D): the sum over the vectors of (x - mean) (x - mean)^T.
    """

    def __init__(self, width: int) -> None:
        """width: D, dimensions of a vector, at least 1."""
        if width < 1:
            raise ProjectionError(f"vectors have 1 dimension or more, not {width}: check the encoder")
        self.width, self.count = width, 0
        self.mean: Doubles = np.zeros(width)
        self.scatter: Doubles = np.zeros((width, width))

    @classmethod
    def of(cls, vectors: npt.NDArray[np.floating]) -> Moments:
        """Of vectors (N, D) in memory. Raises ProjectionError."""
        if vectors.ndim != 2:
            raise ProjectionError(f"vectors to fit from are (N, D), not of shape {vectors.shape}")
        moments = cls(vectors.shape[1])
        moments.add(vectors)
        return moments

    def add(self, vectors: npt.NDArray[np.floating]) -> None:
        """Take in a batch (n, D), n >= 0; a batch that is refused leaves all as it was. Raises ProjectionError."""
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise ProjectionError(
                f"vectors of shape {vectors.shape} do not fit (n, {self.width}): all must come from one encoder"
            )
        if not np.isfinite(vectors).all():
            raise ProjectionError("the vectors to fit from hold NaN or infinity: check the encoder")
        if len(vectors):
            data = vectors.astype(np.float64)
            mean = data.mean(axis=0)
            data -= mean
            self._merge(len(data), mean, data.T @ data)

    def merge(self, other: Moments) -> None:
        """Take in what another has seen, which stays as it is. Raises ProjectionError."""
        if other.width != self.width:
            raise ProjectionError(f"moments of {other.width} dimensions do not fit those of {self.width}")
        if other.count:
            self._merge(other.count, other.mean, other.scatter)

    def about_zero(self) -> Doubles:
        """(D, D) sum over the vectors of x x^T."""
        return self.scatter + self.count * np.outer(self.mean, self.mean)

    def _merge(self, count: int, mean: Doubles, scatter: Doubles) -> None:
        total = self.count + count
        apart = mean - self.mean
        self.mean += apart * (count / total)
        self.scatter += scatter
        self.scatter += np.outer(apart, apart) * (self.count * count / total)
        self.count = total
