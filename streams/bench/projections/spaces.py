"""The contenders: ways from the encoder's vectors of the catalog to item vectors and a user's vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from encoders.fitted.lda import TopicEncoder
from encoders.fitted.moments import Moments
from encoders.fitted.projection import Projection
from streams.bench.projections import pooling
from streams.bench.projections.history import History, Rounds
from streams.bench.projections.ranking import decayed
from streams.interest.base import Floats

# The product's default, to which the others are compared.
REFERENCE = "pca, whitened by 1/2"


@dataclass(frozen=True, slots=True)
class Stage:
    """raw (n, D): the encoder's vectors of the catalog. dim: what they are reduced to. seed: of all chance."""

    found: History
    visits: Rounds
    raw: Floats
    dim: int
    seed: int

    def projected(self, method: str, whiten: float | None = None, dim: int | None = None) -> Floats:
        """(n, dim) fitted to the whole catalog, which is known beforehand; to no behaviour."""
        moments = Moments.of(self.raw)
        return Projection.of(moments, dim or self.dim, method, whiten, self.seed).apply(self.raw)

    def topics(self) -> Floats:
        """(n, dim) mixtures of topics of the catalog's texts, in place of the encoder's vectors."""
        return TopicEncoder.fit(lambda: self.found.texts, self.dim, seed=self.seed).encode(self.found.texts)


# A contender: (V, d) the user's vector before each visit, and (n, d) the items'.
Contender = Callable[[Stage], tuple[Floats, Floats]]


def _folded(items: Callable[[Stage], Floats]) -> Contender:
    """A space of items in which the product's decayed interest lives."""

    def made(stage: Stage) -> tuple[Floats, Floats]:
        vectors = items(stage)
        return decayed(stage.found, stage.visits, vectors), vectors

    return made


def _mean_of_last(stage: Stage) -> tuple[Floats, Floats]:
    vectors = stage.projected("pca")
    return pooling.mean_of_last(stage.found, stage.visits, vectors), vectors


def _attention(stage: Stage) -> tuple[Floats, Floats]:
    vectors = stage.projected("pca")
    return pooling.attention(stage.found, stage.visits, vectors, stage.seed), vectors


CONTENDERS: dict[str, Contender] = {
    "raw": _folded(lambda stage: stage.raw),
    "centred": _folded(lambda stage: stage.projected("pca", 0.0, stage.raw.shape[1])),
    "pca": _folded(lambda stage: stage.projected("pca", 0.0)),
    REFERENCE: _folded(lambda stage: stage.projected("pca", 0.5)),
    "pca, whitened": _folded(lambda stage: stage.projected("pca", 1.0)),
    "svd": _folded(lambda stage: stage.projected("svd", 0.0)),
    "svd, whitened by 1/2": _folded(lambda stage: stage.projected("svd", 0.5)),
    "random": _folded(lambda stage: stage.projected("random")),
    "truncate": _folded(lambda stage: stage.projected("truncate")),
    "topics": _folded(lambda stage: stage.topics()),
    f"{REFERENCE}; mean of the last {pooling.LENGTH}": _mean_of_last,
    f"{REFERENCE}; attention over the last {pooling.LENGTH}": _attention,
}
