"""What happens behind the ranker: each step keeps lists in order, and says what it did."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from streams.recommend.after.dislikes import without_disliked
from streams.recommend.after.exploration import explore
from streams.recommend.after.facts import Facts
from streams.recommend.after.floors import Floors
from streams.recommend.after.picked import Picked, best
from streams.recommend.after.steps import Steps, steps_of
from streams.recommend.attributes import Attributes
from streams.recommend.base import Queries
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.hybrid import HybridRecommender
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.sources import FEATURES, sources
from streams.settings.settings import Settings
from tests.contracts.test_recommender_contract import asked, make_catalog, only

ITEMS, DIM = 60, 5
GROUPS = {"cold": 0.3, "kind:1": 0.2}


def all_steps() -> Steps:
    floors = Floors(GROUPS, 1000)
    return Steps(0.5, 1.0, 0.25, True, 0.5, {"kind": 4, "author": 2}, floors)


EVERY = [
    Steps(),
    Steps(cold=1.0),
    Steps(diversity=2.0),
    Steps(exploration=0.4),
    Steps(shown=0.7),
    Steps(cold=0.5, diversity=1.0, exploration=0.25),
]
NAMES = ["none", "cold", "diversity", "exploration", "shown", "several"]
each = pytest.mark.parametrize("steps", EVERY, ids=NAMES)
# These look at what they did before, or may shorten a list.
MORE = [Steps(caps={"kind": 4}), Steps(floors=Floors(GROUPS, 1000)), all_steps()]
every = pytest.mark.parametrize("steps", [*EVERY, *MORE], ids=[*NAMES, "caps", "floors", "all"])


def drawn(seed: int = 0) -> dict[str, Any]:
    """Candidates of six kinds and of as many authors as items, some of two kinds."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal(ITEMS).astype(np.float32)
    cold, vectors = random.random(ITEMS) < 0.3, random.standard_normal((ITEMS, DIM)).astype(np.float32)
    attributes = Attributes(("kind", "author"))
    for row in range(ITEMS):
        kinds = [str(kind) for kind in random.integers(0, 6, random.integers(0, 3))]
        attributes.put(row, {"kind": kinds, "author": [str(row // 3)]})
    shown = np.where(random.random(ITEMS) < 0.2, random.random(ITEMS) * 3, 0).astype(np.float32)
    facts = Facts(np.arange(ITEMS, dtype=np.int32), cold, shown, vectors, attributes)
    return {"logits": logits, "facts": facts}


def counts(facts: Facts, places: Any, name: str) -> Counter[int]:
    return Counter(value for place in places.tolist() for value in facts.attributes.of(name, place))


@every
def test_scores_fall_and_are_the_logits_with_the_terms(steps: Steps) -> None:
    for seed in range(20):
        given = drawn(seed)
        picked = steps.pick(**given, k=12, seed=seed)
        assert len(set(picked.places.tolist())) == len(picked.places) <= 12
        assert len(picked.places) == 12 or steps.caps
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
    np.testing.assert_allclose(picked.terms["cold"], given["facts"].cold[picked.places] * 1.0)


def test_a_diverse_list_is_the_greedy_one() -> None:
    given, strength, taken = drawn(), 1.5, []
    vectors = given["facts"].vectors
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
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
            own = given["facts"].vectors[steps.pick(**given, k=10, seed=0).places]
            own /= np.linalg.norm(own, axis=1)[:, None]
            total += float((own @ own.T)[np.triu_indices(10, 1)].mean())
        return total

    assert alike(Steps(diversity=1.0)) < alike(Steps()) - 0.5


@pytest.mark.parametrize("exploration", [0.1, 0.25, 0.33])
@pytest.mark.parametrize("caps", [{}, {"kind": 4, "author": 1}], ids=["free", "capped"])
def test_propensities_are_how_often_an_item_is_listed(exploration: float, caps: dict[str, int]) -> None:
    given, trials = drawn(), 4000
    steps = Steps(exploration=exploration, caps=caps)
    shown, told = np.zeros(ITEMS), np.zeros(ITEMS)
    for seed in range(trials):
        picked = steps.pick(**given, k=10, seed=seed)
        assert picked.places[0] == given["logits"].argmax()
        assert picked.propensities is not None
        assert_within(caps, given["facts"], picked.places)
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


def assert_within(caps: dict[str, int], facts: Facts, places: Any) -> None:
    for name, most in caps.items():
        assert max(counts(facts, places, name).values(), default=0) <= most


@pytest.mark.parametrize("more", [{}, {"diversity": 1.0}, {"exploration": 0.5}], ids=str)
def test_no_list_holds_more_of_a_value_than_its_cap(more: dict[str, float]) -> None:
    caps = {"kind": 2, "author": 1}
    for seed in range(40):
        given = drawn(seed)
        picked = Steps(caps=caps, **more).pick(**given, k=15, seed=seed)  # type: ignore[arg-type]
        assert_within(caps, given["facts"], picked.places)
        assert picked.places[0] == given["logits"].argmax()
        free = [place for place in range(ITEMS) if not given["facts"].attributes.of("kind", place)]
        assert len(picked.places) >= min(15, len({place // 3 for place in free}))


def test_a_capped_list_is_the_greedy_one() -> None:
    given = drawn(3)
    taken = list[int]()
    for place in np.argsort(-given["logits"], kind="stable").tolist():
        if max(counts(given["facts"], np.array([*taken, place]), "kind").values(), default=0) <= 3:
            taken.append(place)
    picked = Steps(caps={"kind": 3}).pick(**given, k=10, seed=0)
    assert picked.places.tolist() == taken[:10]
    assert picked.terms == {}


def test_what_was_shown_without_use_sinks() -> None:
    given = drawn(1)
    picked = Steps(shown=0.7).pick(**given, k=ITEMS, seed=0)
    own = given["logits"] - np.float32(0.7) * given["facts"].shown
    np.testing.assert_allclose(picked.scores, own[picked.places], atol=1e-6)
    np.testing.assert_allclose(picked.terms["shown"], -0.7 * given["facts"].shown[picked.places], atol=1e-6)


@pytest.mark.parametrize("more", [{}, {"exploration": 0.3}, {"diversity": 0.5}], ids=str)
def test_groups_get_their_shares_over_a_window(more: dict[str, float]) -> None:
    """Though the ranker would hardly show them."""
    floors = Floors({"cold": 0.2, "kind:1": 0.15, "kind:2": 0.0}, 500)
    steps, shares = Steps(floors=floors, **more), []  # type: ignore[arg-type]
    for seed in range(200):
        given = drawn(seed)
        members = floors.members(given["facts"])
        given["logits"][members[0] | members[1]] -= np.float32(4)
        picked = steps.pick(**given, k=10, seed=seed)
        assert picked.places[0] == given["logits"].argmax()
        shares.append(members[:, picked.places].mean(axis=1))
    cold, one, two = np.mean(shares, axis=0)
    # Not much more than they must, either.
    assert 0.2 <= cold < 0.23
    assert 0.15 <= one < 0.18
    assert floors.exposure.shares()["kind:2"] == pytest.approx(np.mean(shares[-100:], axis=0)[2], abs=0.05)
    assert two > 0


def test_a_group_that_has_its_share_changes_nothing() -> None:
    floors = Floors({"cold": 0.1}, 1000)
    for seed in range(100):
        given = drawn(seed)
        given["logits"][given["facts"].cold] += 1
        plain = Steps().pick(**given, k=10, seed=seed)
        if given["facts"].cold[plain.places].sum() >= 1:
            assert (
                Steps(floors=floors).pick(**given, k=10, seed=seed).places.tolist() == plain.places.tolist()
            )


def test_an_empty_list_explores_nothing() -> None:
    nothing = Picked(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), {})
    scores = np.full(3, np.nan, dtype=np.float32)
    assert len(explore(nothing, scores, np.arange(3), 0.5, seed=0).places) == 0


def test_a_share_of_nothing_is_only_seen() -> None:
    floors = Floors({"cold": 0.0}, 1000)
    steps = Steps(floors=floors)
    given = drawn()
    picked = steps.pick(**given, k=10, seed=0)
    assert picked.places.tolist() == Steps().pick(**given, k=10, seed=0).places.tolist()
    assert floors.exposure.shares() == {"cold": given["facts"].cold[picked.places].mean()}
    assert steps.names == ()


def test_where_a_group_has_no_candidate_lists_are_full() -> None:
    steps = Steps(floors=Floors({"kind:none": 0.5}, 1000))
    for seed in range(5):
        assert len(steps.pick(**drawn(seed), k=10, seed=0).places) == 10


def test_all_steps_by_their_settings() -> None:
    assert steps_of(Settings().ranking) == Steps()
    steps = steps_of(
        Settings(
            ranking_caps="kind=4, author=2",
            ranking_floors="cold=0.3,kind:a=b=0.2",
            ranking_shown_penalty=0.5,
            ranking_floor_window=200,
        ).ranking
    )
    assert (steps.caps, steps.shown) == ({"kind": 4, "author": 2}, 0.5)
    assert steps.floors is not None
    assert steps.floors.shares == {"cold": 0.3, "kind:a=b": 0.2}
    assert steps.floors.exposure.window == 200
    assert Settings(ranking_caps="a=1", ranking_floors="b:c=0.1,cold=0").ranking.attributes() == {"a", "b"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"ranking_caps": "kind"},
        {"ranking_caps": "kind=0"},
        {"ranking_floors": "kind=0.1"},
        {"ranking_floors": "cold=2"},
        {"ranking_floors": "cold=0.6,a:b=0.6"},
        {"recommend_allowed": "market"},
        {"recommend_blocked": "=de"},
    ],
    ids=str,
)
def test_what_no_step_understands_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"ATTRIBUTE|more than all"):
        Settings(**wrong)
