"""A recommender of many sources whose ranker learns, online, from what users do next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from hashlib import blake2b

import numpy as np

from streams.items.layout import COLD_BELOW
from streams.items.table import ItemTable
from streams.recommend.abilities import Learner
from streams.recommend.after.facts import Facts, shown_counts
from streams.recommend.after.steps import Steps, steps_of
from streams.recommend.base import CandidateSource, Mask, Queries, Ranked, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.learned.base import LearnedRanker, Together, resume, stored, sums_of, turn_away
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.lists import Lists, joined
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.parameters import Stored
from streams.recommend.learned.pools import Pool, Pooling
from streams.recommend.learned.sources import FEATURES, sources
from streams.recommend.nearest.products import Approximate
from streams.recommend.sources.two_tower import TwoTowerSource
from streams.recommend.towers.item_towers import ItemTowers
from streams.recommend.why.paths import Path, paths
from streams.settings.settings import Settings

# Candidate sources that read a table of items, or none.
Sources = Callable[[ItemTable | None], Sequence[CandidateSource]]
NO_STEPS = Steps()
# Users at a time, so that memory does not grow with their number.
USERS = 64


class HybridRecommender:
    """Lets a learned ranker choose among what many sources find.

    table: what is known of items; None before `use_items`, and then content alone finds candidates.
    ranker: with its parameters. Not thread-safe: one thread recommends, learns and merges.
    """

    def __init__(
        self, make: Sources, ranker: LearnedRanker, steps: Steps = NO_STEPS, remembered: int = 256
    ) -> None:
        """make: the sources that read a table, or of None those that need none.

        remembered: requests whose candidates are kept, so that learning from them need not find them again.
        """
        self.table: ItemTable | None = None
        self.ranker, self.steps, self._begun = ranker, steps, deepcopy(ranker)
        self._exploration = steps.exploration
        self._make = make
        self._read(None)
        self._pools: OrderedDict[tuple[bytes, int], Pool] = OrderedDict()
        self._remembered, self._k = remembered, 20

    def use_items(self, table: ItemTable) -> None:
        """See `UsesItems.use_items`."""
        self.table = table
        self._read(table)
        self._pools.clear()

    def _read(self, table: ItemTable | None) -> None:
        sources = self._make(table)
        self._pooling = Pooling(sources, self.ranker.columns)
        self._taught = [source for source in sources if isinstance(source, Learner)]

    @property
    def towers(self) -> ItemTowers | None:
        """See `LearnsTowers.towers`."""
        return next((one.towers for one in self._taught if isinstance(one, TwoTowerSource)), None)

    def recommend(self, catalog: Catalog, queries: Queries, k: int, reasons: int = 0) -> Ranked:
        """See `Recommender.recommend`.

        An item's score is its logit and what the steps behind the ranker add. Equal scores rank the smaller row first.
        Where groups of items have floors, a list also depends on the lists before it.
        """
        queries.check(catalog, k)
        self._k = k
        if 0 < len(queries) <= USERS:
            return self._some(catalog, queries, k, reasons)
        chunks = range(0, max(len(queries), 1), USERS)
        parts = [range(first, min(first + USERS, len(queries))) for first in chunks]
        return joined([self._some(catalog, queries.only(part), k, reasons) for part in parts])

    def _some(self, catalog: Catalog, queries: Queries, k: int, reasons: int) -> Ranked:
        lists = Lists(self.ranker, self.steps, len(queries), k, reasons > 0)
        found, asked = self._found(catalog, queries, k), keys(queries)
        for user, (key, pool) in enumerate(zip(asked, found, strict=True)):
            seed = int.from_bytes(key[0], "little")
            lists.fill(user, pool, self._facts(catalog, queries, user, pool.rows), seed)
            self._remember(key, pool)
        return lists.ranked(catalog, queries, reasons)

    def paths(
        self, catalog: Catalog, queries: Queries, user: int, rows: Rows, feature: str
    ) -> list[Path | None]:
        """See `FindsPaths.paths`."""
        return paths(self.table, catalog.vectors, queries, user, rows, feature)

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """See `Learner.learn`.

        It learns from what `recommend` has found for the same query; for another query it finds the candidates now,
        as for the last list. A user none of whose items was a candidate teaches nothing.
        """
        self._teach(catalog, queries, used, self._learn)
        for source in self._taught:
            source.learn(catalog, queries, used)

    def ignore(
        self, catalog: Catalog, queries: Queries, ignored: Sequence[Collection[int]], weight: float
    ) -> None:
        """See `LearnsIgnored.ignore`. By the loss -log(1 - P), P being the probability of all that was ignored; what it
        teaches goes with the root of their number, as of a basket."""
        self._teach(catalog, queries, ignored, lambda pool, rows: self._unlearn(pool, rows, weight))

    def explore(self, factor: float) -> None:
        """See `Explores.explore`."""
        self.steps = replace(self.steps, exploration=min(self._exploration * factor, 1.0))

    def _teach(
        self,
        catalog: Catalog,
        queries: Queries,
        told: Sequence[Collection[int]],
        lesson: Callable[[Pool, Collection[int]], None],
    ) -> None:
        for first in range(0, len(queries), USERS):
            part = range(first, min(first + USERS, len(queries)))
            self._teach_some(catalog, queries.only(part), [told[user] for user in part], lesson)

    def _teach_some(
        self,
        catalog: Catalog,
        queries: Queries,
        told: Sequence[Collection[int]],
        lesson: Callable[[Pool, Collection[int]], None],
    ) -> None:
        asked = keys(queries)
        missing = [user for user, key in enumerate(asked) if key not in self._pools and told[user]]
        known = {
            asked[user]: self._pools[asked[user]] for user in range(len(asked)) if asked[user] in self._pools
        }
        if missing:
            own = self._found(catalog, queries.only(missing), self._k)
            known |= {asked[user]: pool for user, pool in zip(missing, own, strict=True)}
        for key, rows in zip(asked, told, strict=True):
            if rows:
                lesson(known[key], rows)

    def _found(self, catalog: Catalog, queries: Queries, k: int) -> list[Pool]:
        return self._pooling.of(catalog, self.steps.before(queries), k)

    def _learn(self, pool: Pool, used: Collection[int]) -> None:
        targets = pool.places(used)
        if len(targets):
            self.ranker.learn(self.ranker.columns.of(pool.scores), pool.segment, targets)

    def _facts(self, catalog: Catalog, queries: Queries, user: int, rows: Rows) -> Facts:
        shown = shown_counts(queries, user, rows, wanted=bool(self.steps.shown))
        return Facts(rows, self._cold(rows), shown, catalog.vectors, catalog.attributes)

    def _unlearn(self, pool: Pool, ignored: Collection[int], weight: float) -> None:
        places = pool.places(ignored)
        if 0 < len(places) < len(pool.rows):
            columns = self.ranker.columns.of(pool.scores)
            turn_away(self.ranker, columns, pool.segment, places, weight)

    def _cold(self, rows: Rows) -> Mask:
        """(c,) true for items of the table that are hardly used."""
        if self.table is None or not self.steps.asks_for_cold:
            return np.zeros(len(rows), dtype=np.bool_)
        self.table.refresh()
        cold: Mask = self.table.uses[rows] < COLD_BELOW
        return cold

    def exposure(self) -> Mapping[str, float]:
        """See `ShowsExposure.exposure`."""
        return {} if self.steps.floors is None else self.steps.floors.exposure.shares()

    def save(self) -> bytes:
        """What the ranker has learned, for `load`."""
        return stored(self.ranker).to_bytes()

    def load(self, data: bytes) -> None:
        """Go on from what `save` gave, here or elsewhere. Raises ParametersError where it does not fit."""
        resume(self.ranker, Stored.from_bytes(data))

    @property
    def version(self) -> int:
        """See `SharesLearning.version`."""
        return self.ranker.parameters.version

    def learned(self) -> bytes:
        """See `SharesLearning.learned`."""
        return sums_of(self.ranker)

    def merger(self) -> Together:
        """See `SharesLearning.merger`."""
        return Together(deepcopy(self._begun))

    def _remember(self, key: tuple[bytes, int], pool: Pool) -> None:
        self._pools[key] = pool
        self._pools.move_to_end(key)
        if len(self._pools) > self._remembered:
            self._pools.popitem(last=False)


def keys(queries: Queries) -> list[tuple[bytes, int]]:
    """By what each query is known again: all that it holds."""
    found = []
    optional = (
        queries.as_of,
        queries.history_times,
        queries.history_weights,
        queries.history_ordinals,
        queries.history_chosen,
    )
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
    wanted = settings.recommendations
    approximate = Approximate(wanted.approximate_above, wanted.approximate_recall)
    lifted = ranking.cold_bias > 0
    found = partial(sources, approximate=approximate, towers=ranking.towers, lifted=lifted)
    return HybridRecommender(found, ranker, steps_of(ranking), ranking.remembered)
