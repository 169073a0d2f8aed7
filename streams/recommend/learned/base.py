"""What every learned ranker is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from streams.recommend.base import Floats, Longs
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.parameters import Parameters, ParametersError, Stored


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

    def learn(self, columns: Floats, segment: int, used: Longs) -> None:
        """Learn that of candidates with columns (K, c) those at `used` were used, at least one, each once."""
        ...


def stored(ranker: LearnedRanker) -> Stored:
    """What to keep of a ranker."""
    own = ranker.parameters
    return Stored(ranker.kind, own.version, ranker.columns.names, own.values, own.squares)


def resume(ranker: LearnedRanker, kept: Stored) -> None:
    """Go on from what was kept. A column that was not there then keeps its start; one that is no more is left out.

    Raises ParametersError where it is of another kind of ranker or of another size.
    """
    if kept.kind != ranker.kind:
        raise ParametersError(f"these are the parameters of a {kept.kind} ranker, not of a {ranker.kind} one")
    at = {name: column for column, name in enumerate(kept.columns)}
    pairs = [(column, at[name]) for column, name in enumerate(ranker.columns.names) if name in at]
    own, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ours, parameters = ranker.parameters, Parameters(ranker.parameters.values, ranker.parameters.rates)
    for target, given in ((parameters.values, kept.values), (parameters.squares, kept.squares)):
        _require_fit(ranker, given, len(kept.columns))
        for name, value in given.items():
            if name in ranker.by_column:
                target[name][..., own] = value[..., theirs]
            else:
                target[name][...] = value
    parameters.version = kept.version
    ours.adopt(parameters)


def _require_fit(ranker: LearnedRanker, given: Mapping[str, Floats], columns: int) -> None:
    for name, value in ranker.parameters.values.items():
        shape = (*value.shape[:-1], columns) if name in ranker.by_column else value.shape
        if name not in given or given[name].shape != shape:
            raise ParametersError(f"the kept parameters have no {name!r} of the shape {shape}")
