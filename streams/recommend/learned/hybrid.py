"""A recommender of many sources whose ranker learns, online, from what users do next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from streams.recommend.base import CandidateSource, Floats, Queries, Ranked, Reasons, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.learned.base import LearnedRanker
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.pools import Pool, pools
from streams.recommend.learned.reasons import Terms, names, reasons, terms
from streams.recommend.learned.sources import FEATURES, sources
from streams.settings.settings import Settings

# Candidate sources that read a table of items, or none.
Sources = Callable[[Any], Sequence[CandidateSource]]


class HybridRecommender:
    """Lets a learned ranker choose among what many sources find.

    table: what is known of items; None before `use_items`, and then content alone finds candidates.
    ranker: with its parameters. Not thread-safe: one thread recommends, learns and merges.
    """

    def __init__(self, make: Sources, ranker: LearnedRanker, remembered: int = 256) -> None:
        """make: the sources that read a table, or of None those that need none.

        remembered: requests whose candidates are kept, so that learning from them need not find them again.
        """
        self.table: Any = None
        self.ranker = ranker
        self._make, self._sources = make, make(None)
        self._pools: OrderedDict[tuple[bytes, int], Pool] = OrderedDict()
        self._remembered, self._k = remembered, 20

    def use_items(self, table: Any) -> None:
        """See `UsesItems.use_items`."""
        self.table, self._sources = table, self._make(table)
        self._pools.clear()

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        """See `Recommender.recommend`. An item's score is its logit; equal scores rank the smaller row first."""
        queries.check(catalog, k)
        self._k = k
        found = pools(self._sources, self.ranker.columns, catalog, queries, k)
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.zeros((len(queries), k), dtype=np.float32)
        why = [self._best(pool, rows[user], scores[user], reasons > 0) for user, pool in enumerate(found)]
        for key, pool in zip(keys(queries), found, strict=True):
            self._remember(key, pool)
        return Ranked(rows, scores, self._reasons(catalog, queries, rows, scores, why, reasons))

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`.

        It learns from what `recommend` has found for the same query; for another query it finds the candidates now,
        as for the last list. A user none of whose items was a candidate teaches nothing.
        """
        asked = keys(queries)
        missing = [user for user, key in enumerate(asked) if key not in self._pools and used[user]]
        known = {
            asked[user]: self._pools[asked[user]] for user in range(len(asked)) if asked[user] in self._pools
        }
        if missing:
            own = pools(self._sources, self.ranker.columns, catalog, queries.only(missing), self._k)
            known |= {asked[user]: pool for user, pool in zip(missing, own, strict=True)}
        for key, rows in zip(asked, used, strict=True):
            if rows:
                self._learn(known[key], rows)

    def _learn(self, pool: Pool, used: Collection[int]) -> None:
        targets = np.flatnonzero(np.isin(pool.rows, np.fromiter(used, dtype=np.int64, count=len(used))))
        if len(targets):
            self.ranker.learn(self.ranker.columns.of(pool.scores), pool.segment, targets)

    def _best(self, pool: Pool, rows: Rows, scores: Floats, explained: bool) -> Terms | None:
        """Write a user's k best rows and their scores; the terms of these scores, where they are wanted."""
        if not len(pool.rows):
            return None
        columns = self.ranker.columns.of(pool.scores)
        logits = self.ranker.logits(columns, pool.segment)
        order = best(logits, len(rows))
        rows[: len(order)], scores[: len(order)] = pool.rows[order], logits[order]
        return terms(self.ranker, pool, columns, logits, order, len(rows)) if explained else None

    def _reasons(
        self,
        catalog: Catalog,
        queries: Queries,
        rows: Rows,
        scores: Floats,
        found: list[Terms | None],
        top: int,
    ) -> Reasons:
        if not top or not len(queries):
            return Reasons.none(scores)
        called, k = names(self.ranker), rows.shape[1]
        nothing = Terms(np.zeros((len(called), k), np.float32), np.zeros(k, np.float32))
        return reasons(catalog, queries, rows, scores, [one or nothing for one in found], called, top)

    def _remember(self, key: tuple[bytes, int], pool: Pool) -> None:
        self._pools[key] = pool
        self._pools.move_to_end(key)
        if len(self._pools) > self._remembered:
            self._pools.popitem(last=False)


def best(scores: Floats, k: int) -> Rows:
    """(n,) places of the k largest scores (c,), n = min(k, c): the largest first, of equal ones the first place."""
    places = np.arange(len(scores))
    if len(scores) > k:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    order: Rows = places[np.argsort(-scores[places], kind="stable")][:k].astype(np.int32)
    return order


def keys(queries: Queries) -> list[tuple[bytes, int]]:
    """By what each query is known again: all that it holds."""
    found = []
    optional = (queries.as_of, queries.history_times, queries.history_weights, queries.history_ordinals)
    columns = [queries.vectors, queries.shares, queries.history_rows, *(c for c in optional if c is not None)]
    for user, excluded in enumerate(queries.exclude):
        digest = blake2b(digest_size=16)
        for column in columns:
            digest.update(column[user].tobytes())
        found.append((digest.digest(), hash(frozenset(excluded))))
    return found


def from_settings(settings: Settings) -> HybridRecommender:
    """As the section `ranking` of the settings says."""
    ranking = settings.ranking
    columns = Columns(FEATURES)
    ranker: LearnedRanker = (
        MlpRanker(columns, ranking.rate, ranking.segment_rate)
        if ranking.ranker == "mlp"
        else LinearRanker(columns, ranking.rate, ranking.segment_rate)
    )
    return HybridRecommender(sources, ranker, ranking.remembered)
