"""What every recommender shares: questions, answers, and the contract of its two halves.

A candidate source names items that may fit; a ranker orders them and says why. `two_stage` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from streams.recommend.catalog import Catalog
from streams.recommend.queries import Floats, Longs, Mask, Queries, Rows

__all__ = [
    "CandidateSource",
    "Candidates",
    "Floats",
    "Longs",
    "Mask",
    "Queries",
    "Ranked",
    "Ranker",
    "Reasons",
    "Recommender",
    "Rows",
    "Scorer",
]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items that may fit, per user at most c, each once: live ones that are not excluded."""

    # (U, c) catalog rows; -1 after a user's last candidate.
    rows: Rows
    # By source, (U, c) its own scores for a ranker to use; NaN where the source says nothing of the item.
    scores: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why: the terms that contribute most to each item's score, strongest first. All terms add up to the score."""

    # (U, k, r) which term; -1 where there are fewer than r. A number below H is the column of an event in
    # `history_rows`; H + i stands for `features[i]`.
    index: Rows
    # (U, k, r) float32, signed; 0 where index is -1.
    contributions: Floats
    # (U, k) float32, from all other terms: contributions.sum(-1) + rest = score, to float32 rounding.
    rest: Floats
    # Names of what contributes beside events, as `popularity`.
    features: tuple[str, ...] = ()

    @classmethod
    def none(cls, scores: Floats) -> Reasons:
        """No term is named. scores: (U, k)."""
        nothing = np.zeros((*scores.shape, 0), dtype=np.float32)
        return cls(nothing.astype(np.int32), nothing, scores)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best items of each user, best first."""

    # (U, k) catalog rows; -1 after the last item where fewer than k may be recommended.
    rows: Rows
    # (U, k) float32, not rising along a row; 0 where rows is -1.
    scores: Floats
    # Where `rows` is -1, they may hold anything.
    reasons: Reasons
    # (U, k) float32, the probability with which each item would stand in the list; None where nothing was left to
    # chance.
    propensities: Floats | None = None
    # (U, k) true for items that chance has put there; None where nothing was left to chance.
    explored: Mask | None = None


class CandidateSource(Protocol):
    """Finds items that may fit interests.

    It is given queries that were checked: `TwoStageRecommender` calls `Queries.check` for all sources.
    """

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """Per user at least k live items that are not in the user's `exclude`; fewer where the source knows no more.

        Give more than k where the ranker does not rank by this source's score alone.

        Deterministic, and a user's candidates depend on the user's own query alone, bit for bit: not on who
        else is in the batch.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """A candidate source that also scores the candidates of others."""

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """(U, c) its own scores of the rows (U, c) by name; NaN where it says nothing, and where a row is -1.

        The same bits as in its own `candidates`, and a user's depend on the user's own query and rows alone.
        """
        ...


class Ranker(Protocol):
    """Orders candidates and says why."""

    def rank(
        self, catalog: Catalog, queries: Queries, candidates: Candidates, k: int, reasons: int
    ) -> Ranked:
        """The k best candidates of each user, with the `reasons` strongest terms of each score.

        Deterministic, and a user's answer depends on the user's own query and candidates alone, bit for bit.
        """
        ...


class Recommender(Protocol):
    """Finds the items that fit interests best.

    The flow owns the rules for every recommender: which users are asked and when, k, the number of reasons, and which
    items a user must not see (`Queries.exclude`, from `exclude_consumed` and `consuming_actions`). A recommender owns
    the rules of its own: which other items it considers, their scores, their order, and the terms of a score.
    """

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        """The k best live items of each user without those excluded for the user, with reasons.

        Deterministic, and a user's answer depends on the user's own query alone, bit for bit: not on who
        else is in the batch. Raises ValueError as `Queries.check`, which it calls.
        """
        ...
