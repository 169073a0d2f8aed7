"""Vectors of several media into one.

A picture space and a text space have nothing to do with each other, so their vectors cannot be averaged. Late
fusion sets them side by side, sqrt(s_m) x_m, whose inner product is the weighted sum of the media's cosines;
the shares s_m are the weights of the media that are there, and add up to 1. Gated fusion maps the media into
one space: y = unit(sum_m sqrt(g_m) (x_m - mean_m) V_m), the gate g a softmax over the media that are there.
Centred, a missing medium is its mean, and says nothing for or against anything.

Sources: Kiela et al., Efficient Large-Scale Multi-Modal Classification, AAAI 2018 (gates over media); Arevalo et
al., Gated Multimodal Units, ICLR workshop 2017.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from encoders.core.base import EncoderError, Vectors
from encoders.fitted.fitted_file import About, FittedFile, Tensors
from encoders.fitted.projection import Projection

Doubles = npt.NDArray[np.float64]
# Medium -> (B, D_m), unit rows; a row of zeros is a medium that is missing.
Parts = Mapping[str, Vectors]


class FusionError(EncoderError):
    """A fusion cannot be fitted, loaded or applied; the message says what to do."""


FILE = FittedFile("interestflow-fusion-1", "fusion", "fusion", FusionError)


class Fusion(Protocol):
    """Parts into one space."""

    @property
    def version(self) -> str:
        """Hash of all that decides a vector."""
        ...

    @property
    def dim(self) -> int: ...
    @property
    def widths(self) -> Mapping[str, int]:
        """Medium -> dimensions of its vectors."""
        ...

    @property
    def sources(self) -> Mapping[str, str]:
        """Medium -> identity of the space that it was fitted on; none where it fits any."""
        ...

    def fuse(self, parts: Parts) -> Vectors:
        """Float32 (B, dim), unit rows; a row's bits depend on that row alone, and NaN where all is missing."""
        ...


class LateFusion:
    """Side by side, weighted. Needs no fitting, has as many dimensions as all media together."""

    def __init__(self, widths: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """weights: by medium, above 0, of any sum; a medium of weight w counts w times one of weight 1."""
        self.widths, self.weights = dict(widths), {medium: float(weights[medium]) for medium in widths}
        self.sources: dict[str, str] = {}
        self.dim = sum(widths.values())
        about = json.dumps([self.widths, self.weights])
        self.version = blake2b(about.encode(), digest_size=8).hexdigest()

    def fuse(self, parts: Parts) -> Vectors:
        """See Fusion."""
        blocks, present = _blocks(parts, self.widths)
        shares = np.sqrt(_shares(present, np.log(list(self.weights.values()))))
        fused = np.concatenate([block * shares[:, [m]] for m, block in enumerate(blocks)], axis=1)
        return _units(fused, present)


class GatedFusion:
    """Centred, mapped into one space, and weighed by a gate that looks at the content."""

    def __init__(
        self,
        means: Mapping[str, Doubles],
        maps: Mapping[str, Doubles],
        gate: Doubles,
        bias: Doubles,
        metadata: dict[str, Any],
    ) -> None:
        """By medium, of which there are M: means (D_m,), maps (D_m, dim). gate (sum of D_m + M, M), of the
        centred vectors and of which are there; bias (M,). metadata: sources and the like, kept in the file."""
        self.means, self.maps, self.gate, self.bias = dict(means), dict(maps), gate, bias
        self.metadata = metadata
        self.widths = {medium: len(mean) for medium, mean in means.items()}
        self.sources: dict[str, str] = metadata.get("sources", {})
        self.dim = next(iter(maps.values())).shape[1]
        digest = blake2b(digest_size=8)
        for name, tensor in self.tensors().items():
            digest.update(f"{name} {tensor.shape}".encode() + np.ascontiguousarray(tensor, "<f8").tobytes())
        self.version = digest.hexdigest()

    def fuse(self, parts: Parts) -> Vectors:
        """See Fusion."""
        blocks, present = centred(parts, self.means)
        fused = np.empty((len(present), self.dim))
        for row in range(len(present)):
            # Row by row, for the bits' sake (see Projection.apply).
            own = [block[row] for block in blocks]
            shares = _shares(present[row], np.concatenate([*own, present[row]]) @ self.gate + self.bias)
            fused[row] = sum(
                np.sqrt(share) * (x @ self.maps[m])
                for share, x, m in zip(shares, own, self.maps, strict=True)
            )
        return _units(fused, present)

    def tensors(self) -> dict[str, Doubles]:
        """All that decides a vector, by name."""
        named = {f"mean.{medium}": mean for medium, mean in self.means.items()}
        named |= {f"map.{medium}": matrix for medium, matrix in self.maps.items()}
        return {**named, "gate": self.gate, "bias": self.bias}

    def save(self, path: Path) -> None:
        """As safetensors, with the metadata."""
        about = json.dumps({"media": list(self.widths), **self.metadata})
        FILE.save(path, self.tensors(), self.version, {"about": about})

    @classmethod
    def load(cls, path: Path) -> GatedFusion:
        """Raises FusionError where the file is missing, damaged or no fusion."""

        def build(tensors: Tensors, about: About) -> GatedFusion:
            metadata = json.loads(about["about"])
            media = metadata.pop("media")
            means = {medium: tensors[f"mean.{medium}"] for medium in media}
            maps = {medium: tensors[f"map.{medium}"] for medium in media}
            return cls(means, maps, tensors["gate"], tensors["bias"], metadata)

        return FILE.load(path, build, lambda made: made.version)


def fit_projected(
    parts: Parts, weights: Mapping[str, float], dim: int, sources: Mapping[str, str], whiten: float = 0.5
) -> GatedFusion:
    """Principal components of the centred media side by side, a missing one at its mean; the gate is constant.

    parts: (N, D_m), N > dim. weights: as of LateFusion. whiten: see Projection. Raises FusionError,
    ProjectionError.
    """
    rows = len(next(iter(parts.values())))
    require_more(rows, dim)
    means = {medium: _mean(medium, vectors) for medium, vectors in parts.items()}
    blocks, present = centred(parts, means)
    # One spread for all media, so that the weights mean the same for a narrow space and a wide one.
    spreads = [np.sqrt((block**2).sum() / max(1, there.sum())) or 1.0
               for block, there in zip(blocks, present.T, strict=True)]  # fmt: skip
    bias = np.log([weights[medium] for medium in parts])
    shares = np.sqrt(_shares(present, bias))
    scaled = [block * shares[:, [m]] / spreads[m] for m, block in enumerate(blocks)]
    matrix = Projection.fit(np.concatenate(scaled, axis=1).astype(np.float32), dim, whiten).matrix
    cuts = np.cumsum([block.shape[1] for block in blocks])[:-1]
    pieces = np.split(matrix, cuts)
    maps = {medium: piece / spread for medium, piece, spread in zip(parts, pieces, spreads, strict=True)}
    gate = np.zeros((len(matrix) + len(maps), len(maps)))
    return GatedFusion(means, maps, gate, bias, {"sources": dict(sources), "rows": rows, "whiten": whiten})


def require_more(rows: int, dim: int) -> None:
    """Raises FusionError where these rows are too few to be fitted."""
    if rows <= dim:
        raise FusionError(
            f"{rows} items are too few for {dim} dimensions: load more than {dim} items, or lower "
            f"INTERESTFLOW_DIMENSIONS below {rows}, and run `interestflow fit fusion` again"
        )


def centred(parts: Parts, means: Mapping[str, Doubles]) -> tuple[list[Doubles], npt.NDArray[np.bool_]]:
    """By medium (B, D_m), zero where missing; and (B, M), which are there. Raises FusionError."""
    blocks, present = _blocks(parts, {medium: len(mean) for medium, mean in means.items()})
    moved = [
        np.where(there[:, None], block - mean, 0.0)
        for block, mean, there in zip(blocks, means.values(), present.T, strict=True)
    ]
    return moved, present


def _blocks(parts: Parts, widths: Mapping[str, int]) -> tuple[list[Doubles], npt.NDArray[np.bool_]]:
    found = {medium: vectors.shape[1] for medium, vectors in parts.items()}
    if found != widths:
        raise FusionError(
            f"the fusion is of {_listed(widths)}, the encoders give {_listed(found)}: run `interestflow fit fusion` "
            f"with these encoders"
        )
    blocks = [parts[medium].astype(np.float64) for medium in widths]
    return blocks, np.stack([block.any(axis=1) for block in blocks], axis=1)


def _shares(present: npt.NDArray[np.bool_], logits: Doubles) -> Doubles:
    """Softmax over the media that are there, along the last axis; zeros where there is none."""
    there = np.where(present, logits, -np.inf)
    top = there.max(axis=-1, keepdims=True)
    shares: Doubles = np.exp(there - np.where(np.isfinite(top), top, 0.0))
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return shares


def _units(fused: Doubles, present: npt.NDArray[np.bool_]) -> Vectors:
    norms = np.sqrt((fused * fused).sum(axis=1, keepdims=True))
    units = np.divide(fused, norms, out=np.zeros_like(fused), where=norms != 0)
    units[norms[:, 0] == 0, 0] = 1.0
    units[~present.any(axis=1)] = np.nan
    rows: Vectors = units.astype(np.float32)
    return rows


def _mean(medium: str, vectors: Vectors) -> Doubles:
    present = vectors[vectors.any(axis=1)].astype(np.float64)
    if not len(present):
        raise FusionError(f"no item has a {medium}: load a catalog that has some, or leave its encoder out")
    mean: Doubles = present.mean(axis=0)
    return mean


def _listed(widths: Mapping[str, int]) -> str:
    return ", ".join(f"{medium} ({width} dimensions)" for medium, width in widths.items())
