"""What every learned ranker is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np

from streams.recommend.base import Floats, Longs
from streams.recommend.learned import arithmetic
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.parameters import GRADIENT, SQUARES, Parameters, ParametersError, Stored

# Sums of float32 are rounded, and squares below this vanish.
ROUNDING, TINY = 2, 1e-30
# Of the gradient of one answer: columns are logarithms and standardised.
LARGEST_SQUARE = 1e12
# Of a weight that was learned; with far larger ones logits overflow.
LARGEST_VALUE = 1e9


class LearnedRanker(Protocol):
    """Gives candidates logits by their columns, and learns from which of them were used.

    kind: its name, in what is kept of it. by_column: names of the arrays whose last axis are the columns.
    remainder: what a logit has beside the terms of its columns; None where it has nothing.
    """

    kind: ClassVar[str]
    by_column: ClassVar[tuple[str, ...]]
    remainder: ClassVar[str | None]
    columns: Columns
    parameters: Parameters

    def logits(self, columns: Floats, segment: int) -> Floats:
        """(c,) of candidates with columns (K, c), in a segment of `segments.NAMES`."""
        ...

    def slopes(self, columns: Floats, segment: int) -> Floats:
        """(K, n) weights of the columns of n candidates: times the columns (K, n) they add up to the logits, but
        for the remainder and float32 rounding."""
        ...

    def towards(self, columns: Floats, segment: int, targets: Floats, times: float) -> None:
        """Make a step by `times` the gradient of the cross entropy between the softmax of the logits and `targets`.

        columns: (K, c). targets: (c,) what the probabilities ought to be, adding up to 1.
        """
        ...

    def learn(self, columns: Floats, segment: int, used: Longs) -> None:
        """Learn that of candidates with columns (K, c) those at `used` were used, at least one, each once."""
        ...


def turn_away(ranker: LearnedRanker, columns: Floats, segment: int, places: Longs, weight: float) -> None:
    """Learn that these places (p,) of the candidates were ignored, some but not all. columns: (K, c).

    By the loss -log(1 - P), P being their probability together: its gradient is the one towards the ranker's own
    probabilities, of the others alone. weight: how much it teaches, where a use teaches 1; it goes with the root of p.
    """
    logits = ranker.logits(columns, segment)
    targets, _ = arithmetic.gradient(columns, logits, np.zeros_like(logits))
    targets[places] = 0
    if (total := targets.sum()) > 0:
        ranker.towards(columns, segment, targets / total, weight * len(places) ** 0.5)


def stored(ranker: LearnedRanker) -> Stored:
    """What to keep of a ranker."""
    own = ranker.parameters
    return Stored(ranker.kind, own.version, ranker.columns.names, own.values, own.squares)


def resume(ranker: LearnedRanker, kept: Stored) -> None:
    """Go on from what was kept. A column that was not there then keeps its start; one that is no more is left out.

    Raises ParametersError where it is of another kind of ranker, of another size, or no numbers.
    """
    kept.require_sound()
    if any((np.abs(array) > LARGEST_VALUE).any() for array in kept.values.values()):
        raise ParametersError("the ranker's parameters are too large: no logit would be a number")
    if kept.kind != ranker.kind:
        raise ParametersError(f"these are the parameters of a {kept.kind} ranker, not of a {ranker.kind} one")
    at = {name: column for column, name in enumerate(kept.columns)}
    pairs = [(column, at[name]) for column, name in enumerate(ranker.columns.names) if name in at]
    own, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ours, parameters = ranker.parameters, Parameters(ranker.parameters.values, ranker.parameters.rates)
    for target, given in ((parameters.values, kept.values), (parameters.squares, kept.squares)):
        _require_fit(ranker, given, len(kept.columns))
        for name, array in target.items():
            if name in ranker.by_column:
                array[..., own] = given[name][..., theirs]
            else:
                array[...] = given[name]
    parameters.version = kept.version
    ours.adopt(parameters)


def _require_fit(ranker: LearnedRanker, given: Mapping[str, Floats], columns: int) -> None:
    for name, value in ranker.parameters.values.items():
        shape = (*value.shape[:-1], columns) if name in ranker.by_column else value.shape
        if name not in given or given[name].shape != shape:
            raise ParametersError(f"the kept parameters have no {name!r} of the shape {shape}")


def sums_of(ranker: LearnedRanker) -> bytes:
    """What a ranker has learned since the last call, for `Together.merge`; empty where nothing."""
    own = ranker.parameters
    if not (answers := own.pending):
        return b""
    sums = own.gradient_sums()
    gradients, squares = ({name: sums[name + kind] for name in own.values} for kind in (GRADIENT, SQUARES))
    return Stored(ranker.kind, answers, ranker.columns.names, gradients, squares).to_bytes()


def _require_sums(told: Stored) -> None:
    """Raises ParametersError where these are no sums of gradients, which would throw a ranker anywhere."""
    told.require_sound()
    for name, value in told.values.items():
        # By Cauchy and Schwarz, with room for rounding.
        most = ROUNDING * told.version * told.squares[name].astype(np.float64) + TINY
        if (np.square(value, dtype=np.float64) > most).any():
            raise ParametersError("these sums have larger gradients than their squares allow")
        if (told.squares[name] > LARGEST_SQUARE * told.version).any():
            raise ParametersError("these sums have squares that are too large")


class Together:
    """What the rankers of several workers have learned together."""

    def __init__(self, ranker: LearnedRanker) -> None:
        """ranker: one that begins, of the workers' kind; it is this object's from now on."""
        self._ranker = ranker

    @property
    def version(self) -> int:
        """See `Merger.version`."""
        return self._ranker.parameters.version

    def merge(self, sums: bytes) -> None:
        """See `Merger.merge`."""
        told, own = Stored.from_bytes(sums), self._ranker
        if (told.kind, told.columns) != (own.kind, own.columns.names):
            raise ParametersError(
                f"these sums are of a {told.kind} ranker of {len(told.columns)} columns, not of ours: {own.kind} of "
                f"{len(own.columns)}"
            )
        _require_sums(told)
        arrays = {name + GRADIENT: value for name, value in told.values.items()}
        arrays |= {name + SQUARES: value for name, value in told.squares.items()}
        own.parameters.merge(arrays)

    def save(self) -> bytes:
        """See `Merger.save`."""
        return stored(self._ranker).to_bytes()

    def load(self, data: bytes) -> None:
        """See `Merger.load`."""
        resume(self._ranker, Stored.from_bytes(data))
