"""Lists made of pools of candidates: scored by the ranker, then picked by the steps behind it, and explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.recommend.after.exploration import EXPLORATION
from streams.recommend.after.facts import Facts
from streams.recommend.after.picked import Picked
from streams.recommend.after.steps import Steps
from streams.recommend.base import Floats, Mask, Queries, Ranked, Reasons, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.learned.base import LearnedRanker
from streams.recommend.learned.pools import Pool
from streams.recommend.learned.reasons import Terms, names, reasons, terms


@dataclass(slots=True)
class Lists:
    """Lists of U users, at most k items each. explained: true where the terms of the scores are wanted."""

    ranker: LearnedRanker
    steps: Steps
    users: int
    k: int
    explained: bool
    rows: Rows = field(init=False)
    scores: Floats = field(init=False)
    _propensities: Floats = field(init=False)
    _explored: Mask = field(init=False)
    _terms: list[Terms] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = np.full((self.users, self.k), -1, dtype=np.int32)
        self.scores = np.zeros((self.users, self.k), dtype=np.float32)
        self._propensities = np.zeros((self.users, self.k), dtype=np.float32)
        self._explored = np.zeros((self.users, self.k), dtype=np.bool_)
        nothing = Terms(np.zeros((len(self._called()), self.k), np.float32), np.zeros(self.k, np.float32))
        self._terms = [nothing] * self.users

    def fill(self, user: int, pool: Pool, facts: Facts, seed: int) -> None:
        """Make this user's list. See `Steps.pick`."""
        if not len(pool.rows):
            return
        columns = self.ranker.columns.of(pool.scores)
        logits = self.ranker.logits(columns, pool.segment)
        picked = self.steps.pick(logits, facts, self.k, seed)
        count = len(picked.places)
        self.rows[user, :count], self.scores[user, :count] = pool.rows[picked.places], picked.scores
        if picked.propensities is not None:
            self._propensities[user, :count] = picked.propensities
            # What is drawn gets the score of the item before it, by a term of its own.
            self._explored[user, :count] = picked.terms[EXPLORATION] != 0
        if self.explained:
            self._terms[user] = self._explained(pool, columns, logits, picked)

    def ranked(self, catalog: Catalog, queries: Queries, top: int) -> Ranked:
        """All lists, with the `top` strongest terms of each score."""
        why = Reasons.none(self.scores)
        if self.explained and self.users:
            called = self._called()
            why = reasons(catalog, queries, self.rows, self.scores, self._terms, called, top)
        chance = (self._propensities, self._explored) if self.steps.exploration else (None, None)
        return Ranked(self.rows, self.scores, why, *chance)

    def _called(self) -> tuple[str, ...]:
        return (*names(self.ranker), *self.steps.names)

    def _explained(self, pool: Pool, columns: Floats, logits: Floats, picked: Picked) -> Terms:
        found = terms(self.ranker, pool, columns, logits, picked.places, self.k)
        steps = np.zeros((len(self.steps.names), self.k), dtype=np.float32)
        for place, name in enumerate(self.steps.names):
            steps[place, : len(picked.places)] = picked.terms[name]
        return Terms(np.concatenate((found.by_name, steps), axis=0), found.content)


def joined(parts: Sequence[Ranked]) -> Ranked:
    """The lists of all parts, at least one, in their order."""
    if len(parts) == 1:
        return parts[0]
    why = [part.reasons for part in parts]
    propensities = [part.propensities for part in parts if part.propensities is not None]
    explored = [part.explored for part in parts if part.explored is not None]
    return Ranked(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.scores for part in parts]),
        Reasons(
            np.concatenate([one.index for one in why]),
            np.concatenate([one.contributions for one in why]),
            np.concatenate([one.rest for one in why]),
            why[0].features,
        ),
        np.concatenate(propensities) if propensities else None,
        np.concatenate(explored) if explored else None,
    )
