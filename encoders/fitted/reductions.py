"""Ways to fewer dimensions: moments of the vectors -> a mean and a matrix. All are linear, and applied alike.

`pca`       y = unit((x - mean) W), W = V diag(s^-a): V the leading eigenvectors of the covariance, s the standard
            deviations along them, a the whitening exponent (0 none, 1 full). Subtracting the mean matters most:
            sentence embeddings share one large direction (Mu and Viswanath, All-but-the-Top, ICLR 2018).
`svd`       The same about zero instead of the mean: the truncated SVD of latent semantic analysis (Deerwester et
            al., JASIS 1990).
`random`    Entries drawn from N(0, 1/d): angles are kept to about 1/sqrt(d), whatever the data (Johnson and
            Lindenstrauss, 1984). Needs no data.
`truncate`  The first d dimensions: for encoders trained so that these say most (Kusupati et al., Matryoshka
            Representation Learning, NeurIPS 2022). Needs no data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from encoders.fitted.moments import Doubles, Moments, ProjectionError

# The methods that learn from data, and hence can whiten.
FITTED = ("pca", "svd")
METHODS = (*FITTED, "random", "truncate")
HALF = 0.5
# Directions with less than this share of the largest deviation are noise; whitening must not blow them up. The
# eigenvalues are its squares, 1e-8 of the largest, which float64 tells from rounding with 7 digits to spare.
FLOOR = 1e-4
# A spread of less than this share of the mean's length is none: float32 itself holds but 6e-8 of it.
ROUNDING = 1e-9


class Reduction(NamedTuple):
    """mean (D,), matrix (D, dim)."""

    mean: Doubles
    matrix: Doubles


def check(width: int, dim: int, method: str, whiten: float | None) -> None:
    """What can be said before there is any data. Raises ProjectionError."""
    if method not in METHODS:
        raise ProjectionError(f"no method {method!r}; there are: {', '.join(METHODS)}")
    if whiten is not None and (method not in FITTED or not 0.0 <= whiten <= 1.0):
        raise ProjectionError(
            f"cannot whiten by {whiten:g} with {method}: the exponent lies in [0, 1], and only "
            f"{' and '.join(FITTED)} learn what to whiten by; leave --whiten out"
        )
    if width < dim:
        raise ProjectionError(
            f"cannot project {width} dimensions to {dim}: lower INTERESTFLOW_DIMENSIONS to {width} at most"
        )


def reduction(
    moments: Moments, dim: int, method: str = "pca", whiten: float | None = None, seed: int = 0
) -> Reduction:
    """From D to `dim` <= D dimensions.

    moments: of more than `dim` vectors for `pca` and `svd`; of the others only the width is read. whiten: exponent
    in [0, 1] for `pca` and `svd`, half by default. seed: of `random`. Raises ProjectionError.
    """
    check(moments.width, dim, method, whiten)
    width = moments.width
    zero = np.zeros(width)
    if method == "random":
        drawn = np.random.default_rng(seed).standard_normal((width, dim)) / np.sqrt(dim)
        return Reduction(zero, drawn)
    if method == "truncate":
        return Reduction(zero, np.eye(width, dim))
    centred = method == "pca"
    exponent = HALF if whiten is None else whiten
    matrix = _principal(moments, dim, centred, exponent)
    return Reduction(moments.mean.copy() if centred else zero, matrix)


def _principal(moments: Moments, dim: int, centred: bool, whiten: float) -> Doubles:
    """(D, dim) leading directions, scaled by their deviations to the power of -whiten."""
    if moments.count <= dim:
        raise ProjectionError(
            f"{moments.count} different items are too few for {dim} dimensions: load more than {dim} items, or lower "
            f"INTERESTFLOW_DIMENSIONS below {moments.count}, and run `interestflow fit projection` again"
        )
    spread = np.sqrt(np.trace(moments.scatter) / moments.count)
    if not spread > ROUNDING * np.sqrt(moments.mean @ moments.mean):
        raise ProjectionError("all items have one and the same vector: check the catalog's texts")
    scatter = moments.scatter if centred else moments.about_zero()
    values, vectors = np.linalg.eigh(scatter)
    # Ascending, and of rounding a little below zero; numpy gives all of them, we want the last.
    deviations = np.sqrt(np.maximum(values[::-1][:dim], 0.0) / moments.count)
    axes = vectors[:, ::-1][:, :dim]
    # The sign of an eigenvector is arbitrary; the largest entry positive makes it the same everywhere.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
    floor = FLOOR * deviations[0]
    # Relative to the largest, so that the projection's numbers stay near one whatever the input's scale.
    relative = np.maximum(deviations, floor) / deviations[0]
    scaled: Doubles = axes * np.where(deviations > floor, relative**-whiten, 0.0)
    return scaled
