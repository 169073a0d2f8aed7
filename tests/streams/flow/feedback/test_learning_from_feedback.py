"""What was shown and passed over teaches the ranker; and the share of exploration follows the rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from streams.flow.flow import Flow
from streams.kernels import compiling
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.hybrid import HybridRecommender
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.sources import FEATURES, sources
from streams.state.changelog import FeedbackCounts
from tests.contracts.test_recommender_contract import asked, make_catalog
from tests.streams.flows import T0, apply, make_flow, record

LATER = 200_000_000


@pytest.fixture(autouse=True)
def _compiled_again() -> Iterator[None]:
    yield
    compiling.choose(True)


@pytest.mark.parametrize("ranker", [LinearRanker, MlpRanker])
def test_what_is_ignored_again_and_again_falls(ranker: Any) -> None:
    catalog, queries = make_catalog(40), asked(1, 40, seed=1)
    recommender = HybridRecommender(sources, ranker(Columns(FEATURES)))
    first = recommender.recommend(catalog, queries, 40)
    shown = first.rows[0, :5].tolist()
    before = _share(first, shown)
    for _ in range(30):
        recommender.ignore(catalog, queries, [shown], 0.5)
    assert _share(recommender.recommend(catalog, queries, 40), shown) < before


def _share(ranked: Any, rows: list[int]) -> float:
    """Probability of these rows, by the softmax of the list."""
    kept = ranked.rows[0] >= 0
    powers = np.exp(ranked.scores[0][kept] - ranked.scores[0][kept].max())
    return float(powers[np.isin(ranked.rows[0][kept], rows)].sum() / powers.sum())


def test_nothing_or_everything_ignored_teaches_nothing() -> None:
    catalog, queries = make_catalog(20), asked(2, 20, seed=1)
    recommender = HybridRecommender(sources, LinearRanker(Columns(FEATURES)))
    recommender.ignore(catalog, queries, [[], list(range(20))], 0.5)
    assert recommender.version == 0


def make(**options: Any) -> Flow:
    return make_flow(
        30, compiled=False, recommender="hybrid", feedback=True, ranking_exploration=0.2, top_k=5, **options
    )


def listed(flow: Flow) -> list[dict[str, Any]]:
    part = flow.partitions[0]
    ((_, value),) = flow.recommend(0, np.array([part.row_of["u"]], dtype=np.int64))
    found: list[dict[str, Any]] = orjson.loads(value)["items"]
    return found


def passed_over(flow: Flow) -> int:
    """A list that is shown and of which nothing is used; the ranker's version then."""
    apply(flow, [record(0)])
    items = listed(flow)
    apply(
        flow,
        [
            record(1 + n, item=item["item_id"], action="impression", timestamp=T0, recommendation_id=own)
            for n, item in enumerate(items)
            if (own := item["recommendation_id"])
        ],
    )
    # A list that was made later does not matter.
    listed(flow)
    apply(flow, [record(20, "u", None, action="search", text="words", timestamp=T0 + LATER)])
    assert isinstance(flow.recommender, HybridRecommender)
    return flow.recommender.version


def test_a_list_that_was_passed_over_teaches_once() -> None:
    assert passed_over(make()) == 1
    assert passed_over(make(feedback_ignored_weight=0)) == 0


def test_the_share_of_exploration_follows_the_rates() -> None:
    flow = make(feedback_adapts_exploration=True)
    assert isinstance(flow.recommender, HybridRecommender)
    apply(flow, [record(0)])
    assert flow.recommender.steps.exploration == 0.2
    counts = {"shown.exploit.own": 1000, "used.exploit.own": 100, "shown.explore.exploration": 10_000}
    flow.partitions[0].feedback = FeedbackCounts(0, counts)
    own = "0.exploit.own.1-0-0-2-u"
    apply(flow, [record(1, item="i3", action="impression", recommendation_id=own)])
    assert flow.recommender.steps.exploration == pytest.approx(0.05)


def test_what_chance_has_put_there_is_of_the_arm_explore() -> None:
    flow = make()
    apply(flow, [record(0)])
    arms = [(item["recommendation_id"].split(".")[1], item["propensity"]) for item in listed(flow)]
    assert [arm for arm, _ in arms].count("explore") == 1
    assert all(propensity < 0.5 for arm, propensity in arms if arm == "explore")
