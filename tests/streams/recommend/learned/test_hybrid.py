"""The hybrid recommender: sources together, learning, reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from streams.items.signals import NO_KEY, ItemSignals
from streams.items.states import ItemStates
from streams.items.table import ItemTable
from streams.recommend import RECOMMENDERS
from streams.recommend.abilities import Learner, UsesItems
from streams.recommend.after.picked import best
from streams.recommend.base import Candidates, CandidateSource, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT
from streams.recommend.learned.base import LearnedRanker
from streams.recommend.learned.columns import Columns, Feature
from streams.recommend.learned.hybrid import HybridRecommender
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.sources import FEATURES as FEATURES_OF_ALL
from streams.recommend.learned.sources import sources
from streams.settings.settings import Settings
from tests.contracts.test_recommender_contract import asked, make_catalog, only

FEATURES = (Feature(CONTENT, CONTENT, signed=True, start=1.0), Feature("odd", "odd"), Feature("far", "far"))
RANKERS = pytest.mark.parametrize("ranker", [LinearRanker, MlpRanker])


@dataclass(frozen=True)
class OddSource:
    """Finds items of odd rows, scored by their row; with `everywhere` it scores all."""

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        rows = np.full((len(queries), len(catalog.item_ids)), -1, dtype=np.int32)
        for user, excluded in enumerate(queries.exclude):
            own = [
                row for row in range(1, len(catalog.item_ids), 2) if row not in excluded and catalog.live[row]
            ]
            rows[user, : len(own)] = own
        return Candidates(rows, self.given(rows))

    def given(self, rows: Rows) -> dict[str, Floats]:
        return {"odd": np.where(rows >= 0, rows, np.nan).astype(np.float32)}


@dataclass(frozen=True)
class OddScorer(OddSource):
    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> dict[str, Floats]:
        return self.given(rows)


def hybrid(
    ranker: Any = LinearRanker, odd: type[OddSource] = OddSource, remembered: int = 256
) -> HybridRecommender:
    def make(table: Any) -> tuple[CandidateSource, ...]:
        return (ContentSource(),) if table is None else (ContentSource(), odd())

    made: LearnedRanker = ranker(Columns(FEATURES))
    recommender = HybridRecommender(make, made, remembered=remembered)
    recommender.use_items(ItemTable(Catalog(5)))
    return recommender


def test_it_fulfils_what_it_promises() -> None:
    assert isinstance(hybrid(), Learner)
    assert isinstance(hybrid(), UsesItems)


def test_the_candidates_of_all_sources_are_ranked_together() -> None:
    catalog, queries = make_catalog(20), asked(3, 20)
    everything = hybrid().recommend(catalog, queries, 20).rows
    for user in range(3):
        by_content = set(ContentSource().candidates(catalog, queries, 20).rows[user].tolist())
        assert set(everything[user].tolist()) == by_content
    found = hybrid().recommend(catalog, queries, 2).rows
    assert (found >= 0).all()


def test_without_items_content_decides_alone() -> None:
    catalog, queries = make_catalog(30), asked(4, 30)
    recommender = HybridRecommender(sources, LinearRanker(Columns(FEATURES_OF_ALL)))
    ranked = recommender.recommend(catalog, queries, 5)
    np.testing.assert_array_equal(ranked.rows, ContentSource().candidates(catalog, queries, 5).rows)


@RANKERS
def test_it_learns_what_users_use_next(ranker: Any) -> None:
    """All use the odd item of the largest row, whatever they were like."""
    recommender, catalog = hybrid(ranker, OddScorer), make_catalog(40)
    for turn in range(150):
        queries = asked(2, 40, seed=turn)
        recommender.recommend(catalog, queries, 10)
        recommender.learn(catalog, queries, [[39], [39, 37]])
    queries = Queries.single(
        np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32),
        [()] * 4,
        np.full((4, 3), -1, np.int32),
        np.zeros((4, 3), np.float32),
    )
    assert (recommender.recommend(catalog, queries, 1).rows[:, 0] >= 36).mean() > 0.7
    assert recommender.ranker.parameters.version > 100


@RANKERS
def test_what_was_remembered_teaches_the_same_as_what_is_found_again(ranker: Any) -> None:
    catalog, one, other = make_catalog(40), hybrid(ranker), hybrid(ranker, remembered=0)
    for turn in range(10):
        queries = asked(3, 40, seed=turn)
        for recommender in (one, other):
            recommender.recommend(catalog, queries, 10)
            recommender.learn(catalog, queries, [[5], [], [7, 9, 900]])
    for name, value in one.ranker.parameters.values.items():
        np.testing.assert_array_equal(value, other.ranker.parameters.values[name])
    assert one.ranker.parameters.version > 0


def test_what_was_no_candidate_teaches_nothing() -> None:
    recommender, catalog, queries = hybrid(), make_catalog(40), asked(2, 40)
    recommender.learn(catalog, queries, [[4000], []])
    assert recommender.ranker.parameters.version == 0


@RANKERS
def test_reasons_add_up_and_name_sources_and_events(ranker: Any) -> None:
    recommender, catalog = hybrid(ranker), make_catalog(40)
    for turn in range(30):
        recommender.learn(catalog, asked(3, 40, seed=turn), [[5, 39], [39], [7]])
    queries = asked(6, 40, seed=99)
    ranked = recommender.recommend(catalog, queries, 8, reasons=16)
    why, events = ranked.reasons, queries.history_rows.shape[1]
    np.testing.assert_allclose(why.contributions.sum(axis=2) + why.rest, ranked.scores, atol=1e-4)
    # All terms were asked for, so that nothing is left.
    np.testing.assert_allclose(why.rest, 0, atol=1e-4)
    assert set(why.features) >= {CONTENT, "odd", "far"}
    assert ((why.index >= 0) & (why.index < events)).any()
    assert (why.index == events + why.features.index("odd")).any()


def test_an_events_part_is_its_share_of_the_content_product() -> None:
    catalog, queries = make_catalog(40), asked(1, 40, seed=4)
    assert queries.vectors.any()
    ranked = hybrid().recommend(catalog, queries, 5, reasons=16)
    ratios = []
    for row, index, parts in zip(
        ranked.rows[0], ranked.reasons.index[0], ranked.reasons.contributions[0], strict=True
    ):
        for event, part in zip(index.tolist(), parts.tolist(), strict=True):
            if 0 <= event < queries.history_rows.shape[1]:
                shared = catalog.vectors[row] @ catalog.vectors[queries.history_rows[0, event]]
                ratios.append(part / (queries.history_coefficients[0, 0, event] * shared))
    assert len(ratios) >= 5
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-4)
    assert ratios[0] > 0


def test_an_answer_depends_on_the_own_query_alone_once_it_has_learned() -> None:
    recommender, catalog = hybrid(), make_catalog(40)
    for turn in range(20):
        recommender.learn(catalog, asked(3, 40, seed=turn), [[5, 39], [39], [7]])
    queries = asked(6, 40, seed=99)
    together = recommender.recommend(catalog, queries, 8)
    for user in range(6):
        alone = recommender.recommend(catalog, only(queries, [user]), 8)
        np.testing.assert_array_equal(alone.rows[0], together.rows[user])
        np.testing.assert_array_equal(alone.scores[0], together.scores[user])


def test_of_equal_scores_the_first_place_wins() -> None:
    scores = np.array([1, 3, 2, 3, 3, 1], dtype=np.float32)
    assert best(scores, 2).tolist() == [1, 3]
    assert best(scores, 9).tolist() == [1, 3, 4, 2, 0, 5]


def shop(items: int = 40) -> tuple[HybridRecommender, Catalog]:
    """The recommender of the settings, with a table of what was used in a catalog."""
    catalog, random = make_catalog(items), np.random.default_rng(3)
    states = ItemStates(ItemTable(catalog))
    count = 600
    pairs = random.random(count) < 0.7
    states.fold(
        ItemSignals(
            random.choice(catalog.keys[: items - 6], count),
            np.where(pairs, random.choice(catalog.keys, count), np.uint64(NO_KEY)),
            random.random(count).astype(np.float32),
            np.sort(random.integers(0, 10**9, count)),
            np.where(pairs, NO_KEY, random.integers(1, 60, count)).astype(np.uint64),
            np.arange(count),
        )
    )
    recommender = RECOMMENDERS.build("hybrid", Settings(dimensions=5, ranking_cold_bias=1.0))
    recommender.use_items(states.table)
    return recommender, catalog


def test_with_all_sources_an_answer_depends_on_the_own_query_alone() -> None:
    recommender, catalog = shop()
    for turn in range(10):
        recommender.learn(catalog, asked(3, 40, seed=turn), [[5, 39], [39], [7]])
    queries = asked(12, 40, seed=99)
    together = recommender.recommend(catalog, queries, 8, reasons=30)
    total = together.reasons.contributions.sum(axis=2) + together.reasons.rest
    np.testing.assert_allclose(total, together.scores, atol=1e-4)
    np.testing.assert_allclose(together.reasons.rest, 0, atol=1e-3)
    groups = ("content", "neighbours", "sessions", "popularity", "own", "similar", "towers")
    assert together.reasons.features == (*groups, "cold")
    for user in range(12):
        alone = recommender.recommend(catalog, only(queries, [user]), 8)
        np.testing.assert_array_equal(alone.rows[0], together.rows[user])
        np.testing.assert_array_equal(alone.scores[0], together.scores[user])


def test_many_users_are_answered_in_chunks() -> None:
    recommender, catalog = shop()
    queries = asked(150, 40, seed=8)
    together = recommender.recommend(catalog, queries, 5, reasons=3)
    assert together.reasons.index.shape == (150, 5, 3)
    for user in (0, 63, 64, 149):
        alone = recommender.recommend(catalog, only(queries, [user]), 5, reasons=3)
        np.testing.assert_array_equal(alone.rows[0], together.rows[user])
        np.testing.assert_array_equal(alone.reasons.index[0], together.reasons.index[user])


def test_every_feature_is_one_that_a_source_gives() -> None:
    recommender, catalog = shop()
    queries = asked(4, 40)
    given = {
        name
        for source in sources(recommender.table)
        for name in source.candidates(catalog, queries, 5).scores
    }
    # Which items are cold is for the step behind the ranker.
    assert given - {"cold"} == {feature.name for feature in FEATURES_OF_ALL}


def test_what_was_saved_is_loaded() -> None:
    recommender, catalog = shop()
    for turn in range(10):
        recommender.learn(catalog, asked(3, 40, seed=turn), [[5, 39], [39], [7]])
    other, _ = shop()
    other.load(recommender.save())
    queries = asked(3, 40, seed=50)
    np.testing.assert_array_equal(
        other.recommend(catalog, queries, 5).scores, recommender.recommend(catalog, queries, 5).scores
    )
