"""What a ranker sees of candidates: columns made of the sources' scores, over the request's own candidates.

A score f of at least 0 becomes r = f / mean over the candidates, and then three columns: the z-score of r, and
log(1 + r) and log(r + 0.02) less their means. A signed score becomes its z-score. Where a source says nothing, its
score counts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from streams.recommend.base import Floats, Longs, Mask
from streams.recommend.learned import arithmetic

# Names of the columns of one score, in order; a signed score has the first alone.
FORMS = ("z", "log1p", "log")


@dataclass(frozen=True, slots=True)
class Feature:
    """One score of candidates.

    name: as in `Candidates.scores`. group: under which name reasons add it up; features of a group stand together.
    signed: true where the score may be below 0. start: weight of its z-score before anything was learned.
    """

    name: str
    group: str
    signed: bool = False
    start: float = 0.0


@dataclass(frozen=True)
class Columns:
    """K columns of S features."""

    features: tuple[Feature, ...]
    # (S,)
    signed: Mask = field(init=False, repr=False)
    # (K,) names as `popularity_1d.log`.
    names: tuple[str, ...] = field(init=False, repr=False)
    groups: tuple[str, ...] = field(init=False, repr=False)
    # (G,) first column of each group.
    group_starts: Longs = field(init=False, repr=False)
    # (K,) weights before anything was learned.
    start: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_column = [
            (feature, form) for feature in self.features for form in FORMS[: 1 if feature.signed else 3]
        ]
        runs = [(group, len(list(own))) for group, own in groupby(by_column, key=lambda pair: pair[0].group)]
        groups, lengths = tuple(name for name, _ in runs), [length for _, length in runs]
        names = tuple(f"{feature.name}.{form}" for feature, form in by_column)
        if len(set(groups)) < len(groups) or len(set(names)) < len(names):
            raise ValueError(
                f"features have names of their own, and those of a group stand together: {names}"
            )
        start = [feature.start if form == "z" else 0.0 for feature, form in by_column]
        found = {
            "signed": np.array([feature.signed for feature in self.features], dtype=np.bool_),
            "names": names,
            "groups": groups,
            "group_starts": np.cumsum([0, *lengths])[:-1].astype(np.int64),
            "start": np.array(start, dtype=np.float32),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.names)

    def of(self, scores: Floats) -> Floats:
        """(K, c) of the scores (S, c) of one request's candidates; NaN counts as 0."""
        return arithmetic.columns(scores, self.signed)

    def by_group(self, terms: Floats) -> Floats:
        """(G, n) the sums of terms (K, n) of each group."""
        if not len(self.groups):
            return np.zeros((0, terms.shape[1]), dtype=np.float32)
        sums: Floats = np.add.reduceat(terms, self.group_starts, axis=0)
        return sums

    def column_of(self, name: str) -> int:
        """The first column of a feature, its z-score. Raises ValueError where there is none of that name."""
        return self.names.index(f"{name}.{FORMS[0]}")
