"""What happens behind the ranker: each step keeps lists in order, and says what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.recommend.after.dislikes import without_disliked
from streams.recommend.after.picked import best
from streams.recommend.after.steps import Steps
from streams.recommend.base import Queries
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.hybrid import HybridRecommender
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.sources import FEATURES, sources
from tests.contracts.test_recommender_contract import asked, make_catalog, only

ITEMS, DIM = 60, 5
EVERY = [
    Steps(),
    Steps(cold=1.0),
    Steps(diversity=2.0),
    Steps(exploration=0.4),
    Steps(cold=0.5, diversity=1.0, exploration=0.25),
]
each = pytest.mark.parametrize("steps", EVERY, ids=["none", "cold", "diversity", "exploration", "all"])


def drawn(seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "logits": random.standard_normal(ITEMS).astype(np.float32),
        "rows": np.arange(ITEMS, dtype=np.int32),
        "cold": random.random(ITEMS) < 0.3,
        "vectors": random.standard_normal((ITEMS, DIM)).astype(np.float32),
    }


@each
def test_scores_fall_and_are_the_logits_with_the_terms(steps: Steps) -> None:
    for seed in range(20):
        given = drawn(seed)
        picked = steps.pick(**given, k=12, seed=seed)
        assert len(set(picked.places.tolist())) == 12
        assert (np.diff(picked.scores) <= 0).all()
        assert tuple(sorted(picked.terms)) == tuple(sorted(steps.names))
        total = given["logits"][picked.places] + sum(picked.terms.values())
        np.testing.assert_allclose(total, picked.scores, atol=1e-5)


@each
@pytest.mark.parametrize("k", [1, 59, 60, 99])
def test_few_candidates_and_short_lists(steps: Steps, k: int) -> None:
    picked = steps.pick(**drawn(), k=k, seed=1)
    assert len(set(picked.places.tolist())) == min(k, ITEMS)


def test_a_cold_item_is_lifted() -> None:
    given = drawn()
    picked = Steps(cold=1.0).pick(**given, k=ITEMS, seed=0)
    np.testing.assert_allclose(picked.terms["cold"], given["cold"][picked.places] * 1.0)


def test_a_diverse_list_is_the_greedy_one() -> None:
    given, strength, taken = drawn(), 1.5, []
    unit = given["vectors"] / np.linalg.norm(given["vectors"], axis=1)[:, None]
    for _ in range(8):
        near = np.maximum((unit @ unit[taken].T).max(axis=1), 0) if taken else np.zeros(ITEMS)
        values = given["logits"] - strength * near
        values[taken] = -np.inf
        taken.append(int(values.argmax()))
    # Among the first 40 of the 60 candidates lies all that is taken here.
    assert set(taken) <= set(best(given["logits"], 40).tolist())
    assert Steps(diversity=strength).pick(**given, k=8, seed=0).places.tolist() == taken


def test_a_diverse_list_is_less_alike() -> None:
    def alike(steps: Steps) -> float:
        total = 0.0
        for seed in range(30):
            given = drawn(seed)
            own = given["vectors"][steps.pick(**given, k=10, seed=0).places]
            own /= np.linalg.norm(own, axis=1)[:, None]
            total += float((own @ own.T)[np.triu_indices(10, 1)].mean())
        return total

    assert alike(Steps(diversity=1.0)) < alike(Steps()) - 0.5


@pytest.mark.parametrize("share", [0.1, 0.25, 0.33])
def test_propensities_are_how_often_an_item_is_listed(share: float) -> None:
    given, steps, trials = drawn(), Steps(exploration=share), 4000
    shown, told = np.zeros(ITEMS), np.zeros(ITEMS)
    for seed in range(trials):
        picked = steps.pick(**given, k=10, seed=seed)
        assert picked.places[0] == given["logits"].argmax()
        assert picked.propensities is not None
        shown[picked.places] += 1
        told[picked.places] = picked.propensities
    expected = np.where(shown > 0, told, 0)
    # Five standard deviations of a share.
    spread = 5 * np.sqrt(np.maximum(expected * (1 - expected), 1e-4) / trials)
    assert (np.abs(shown / trials - expected) <= spread).all()
    assert abs(shown.sum() / trials - 10) < 1e-9


def test_the_same_seed_gives_the_same_list() -> None:
    steps, given = Steps(exploration=0.5), drawn()
    one, same, other = (steps.pick(**given, k=10, seed=seed).places.tolist() for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_what_was_disliked_last_is_left_out() -> None:
    queries = Queries(
        np.zeros((3, 1, 2), np.float32),
        np.ones((3, 1), np.float32),
        [(9,), (), ()],
        np.array([[4, 5, 4], [6, 7, -1], [1, 2, 3]], dtype=np.int32),
        np.zeros((3, 1, 3), np.float32),
        history_weights=np.array([[-1, 1, 2], [-1, -2, -3], [1, 1, 1]], dtype=np.float32),
        # A ring: the first place may hold the newest event.
        history_ordinals=np.array([[7, 5, 6], [1, 2, -1], [0, 1, 2]]),
    )
    assert [set(own) for own in without_disliked(queries).exclude] == [{9, 4}, {6, 7}, set()]
    assert without_disliked(asked(2, 9)).exclude == asked(2, 9).exclude


@each
def test_an_answer_depends_on_the_own_query_alone(steps: Steps) -> None:
    catalog, queries = make_catalog(ITEMS), asked(5, ITEMS)
    recommender = HybridRecommender(sources, LinearRanker(Columns(FEATURES)), steps)
    together = recommender.recommend(catalog, queries, 9, reasons=9)
    total = together.reasons.contributions.sum(axis=2) + together.reasons.rest
    np.testing.assert_allclose(total, together.scores, atol=1e-5)
    assert (together.propensities is not None) == bool(steps.exploration)
    for user in range(5):
        alone = recommender.recommend(catalog, only(queries, [user]), 9)
        np.testing.assert_array_equal(alone.rows[0], together.rows[user])
        np.testing.assert_array_equal(alone.scores[0], together.scores[user])
