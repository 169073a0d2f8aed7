"""Reasons add up to the score and name the events that weigh most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.recommend import Catalog, ContentRecommender, Queries, Ranked, Reasons, explain


def make_catalog(vectors: np.ndarray) -> Catalog:
    catalog = Catalog(vectors.shape[1])
    for row, vector in enumerate(vectors):
        catalog.put(f"item-{row}", vector)
    return catalog


def linear(catalog: Catalog, history: np.ndarray, coefficients: np.ndarray, forgotten: np.ndarray) -> Queries:
    """Queries that are the sum of their history plus what is forgotten (U, dim)."""
    known = np.where(history >= 0, coefficients, 0)
    items = (
        catalog.vectors[np.maximum(history, 0)] if history.size else np.zeros((*history.shape, catalog.dim))
    )
    vectors = (known[..., None] * items).sum(axis=1) + forgotten
    exclude = [set(rows[rows >= 0].tolist()) for rows in history]
    return Queries.single(
        vectors.astype(np.float32), exclude, history.astype(np.int32), coefficients.astype(np.float32)
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Catalog, Queries, Ranked, int]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, dim = draw(st.integers(1, 60)), draw(st.integers(1, 32))
    users, events, k = draw(st.integers(0, 70)), draw(st.integers(0, 16)), draw(st.integers(1, 25))
    vectors = generator.standard_normal((items, dim)).astype(np.float32)
    catalog = make_catalog(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    history = generator.integers(-1, items, (users, events))
    coefficients = generator.standard_normal((users, events))
    forgotten = generator.standard_normal((users, dim)) * draw(st.sampled_from([0.0, 1.0]))
    asked = linear(catalog, history, coefficients, forgotten)
    return catalog, asked, ContentRecommender().recommend(catalog, asked, k), draw(st.integers(1, 20))


@given(cases())
@settings(max_examples=100)
def test_contributions_are_exact_largest_first_and_add_up(
    case: tuple[Catalog, Queries, Ranked, int],
) -> None:
    catalog, asked, ranked, top = case
    reasons = explain(catalog, asked, ranked.rows, ranked.scores, top)
    users, k = ranked.rows.shape
    assert reasons.index.shape == reasons.contributions.shape == (users, k, top)
    assert reasons.rest.shape == (users, k)
    np.testing.assert_allclose(reasons.contributions.sum(-1) + reasons.rest, ranked.scores, atol=1e-5)
    weight = np.abs(reasons.contributions)
    assert (weight[:, :, :-1] >= weight[:, :, 1:]).all()
    assert (reasons.contributions[reasons.index < 0] == 0).all()
    assert (reasons.rest[ranked.rows < 0] == 0).all()
    for user in range(users):
        for place, row in enumerate(ranked.rows[user]):
            check_one(
                catalog, asked, user, row, reasons.index[user, place], reasons.contributions[user, place]
            )


def check_one(
    catalog: Catalog, asked: Queries, user: int, row: int, index: np.ndarray, parts: np.ndarray
) -> None:
    """Against the formula: the chosen are c_e (v_e . v_i), and none left out is larger."""
    history = asked.history_rows[user]
    if row < 0:
        assert (index == -1).all()
        return
    every = asked.history_coefficients[user, 0] * (
        catalog.vectors[np.maximum(history, 0)] @ catalog.vectors[row]
    )
    every = np.where(history >= 0, every, 0)
    chosen = index[index >= 0]
    assert len(set(chosen.tolist())) == len(chosen) == min(len(index), np.count_nonzero(parts))
    np.testing.assert_allclose(parts[: len(chosen)], every[chosen], atol=1e-5)
    left = np.delete(np.abs(every), chosen)
    if len(chosen) == len(index) and len(left):
        assert left.max() <= np.abs(parts).min() + 1e-5
    else:
        assert not left.size or left.max() <= 1e-5


def test_a_whole_history_leaves_no_rest() -> None:
    generator = np.random.default_rng(3)
    catalog = make_catalog(generator.standard_normal((30, 16)).astype(np.float32) / 4)
    history = generator.integers(0, 30, (6, 5))
    asked = linear(catalog, history, generator.standard_normal((6, 5)), np.zeros((6, 16)))
    ranked = ContentRecommender().recommend(catalog, asked, 8)
    np.testing.assert_allclose(explain(catalog, asked, ranked.rows, ranked.scores, 5).rest, 0, atol=1e-5)


def test_a_dislike_is_a_reason_with_its_sign() -> None:
    catalog = make_catalog(np.array([[1, 0], [0, 1], [0.6, -0.8]], dtype=np.float32))
    asked = linear(catalog, np.array([[0, 1, -1]]), np.array([[1.0, -2.0, 9.0]]), np.zeros((1, 2)))
    ranked = ContentRecommender().recommend(catalog, asked, 2)
    reasons = explain(catalog, asked, ranked.rows, ranked.scores, 3)
    assert ranked.rows.tolist() == [[2, -1]]
    assert reasons.index[0].tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert reasons.contributions[0, 0].tolist() == pytest.approx([1.6, 0.6, 0])
    assert reasons.rest[0].tolist() == pytest.approx([0, 0], abs=1e-6)


def test_equal_contributions_name_the_earlier_event() -> None:
    catalog = make_catalog(np.array([[1, 0], [0.6, 0.8]], dtype=np.float32))
    asked = linear(catalog, np.array([[0] * 16]), np.ones((1, 16)), np.zeros((1, 2)))
    reasons = ContentRecommender().recommend(catalog, asked, 1, 4).reasons
    assert reasons.index[0, 0].tolist() == [0, 1, 2, 3]


def test_a_removed_item_still_explains() -> None:
    catalog = make_catalog(np.array([[1, 0], [0.6, 0.8]], dtype=np.float32))
    catalog.remove("item-0")
    asked = linear(catalog, np.array([[0]]), np.ones((1, 1)), np.zeros((1, 2)))
    ranked = ContentRecommender().recommend(catalog, asked, 2)
    assert ranked.rows.tolist() == [[1, -1]]
    assert explain(catalog, asked, ranked.rows, ranked.scores).index[0, 0].tolist() == [0, -1, -1]


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=25)
def test_reasons_do_not_depend_on_who_else_is_asked(seed: int, events: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    catalog = make_catalog(generator.standard_normal((200, 128)).astype(np.float32) / 11)
    history = generator.integers(-1, 200, (70, events))
    asked = linear(catalog, history, generator.standard_normal((70, events)), np.zeros((70, 128)))
    ranked = ContentRecommender().recommend(catalog, asked, k)
    whole = explain(catalog, asked, ranked.rows, ranked.scores)
    for part in (slice(0, 1), slice(17, 30), slice(60, 70)):
        some = Queries.single(
            asked.vectors[part, 0],
            asked.exclude[part],
            asked.history_rows[part],
            asked.history_coefficients[part, 0],
        )
        alone = explain(catalog, some, ranked.rows[part], ranked.scores[part])
        expected = Reasons(whole.index[part], whole.contributions[part], whole.rest[part])
        np.testing.assert_array_equal(alone.index, expected.index)
        np.testing.assert_array_equal(alone.contributions, expected.contributions)
        np.testing.assert_array_equal(alone.rest, expected.rest)


def test_empty_catalogs_histories_and_batches_have_no_reasons() -> None:
    empty = Catalog(2)
    asked = Queries.single(
        np.ones((1, 2), dtype=np.float32),
        [()],
        np.full((1, 3), -1, dtype=np.int32),
        np.ones((1, 3), dtype=np.float32),
    )
    reasons = ContentRecommender().recommend(empty, asked, 2, 3).reasons
    assert (reasons.index == -1).all()
    catalog = make_catalog(np.eye(2, dtype=np.float32))
    bare = linear(catalog, np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0)), np.ones((1, 2)))
    ranked = ContentRecommender().recommend(catalog, bare, 2)
    reasons = explain(catalog, bare, ranked.rows, ranked.scores, 2)
    assert (reasons.index == -1).all()
    np.testing.assert_array_equal(reasons.rest, ranked.scores)


def test_wrong_questions_are_refused() -> None:
    catalog = make_catalog(np.eye(2, dtype=np.float32))
    asked = linear(catalog, np.array([[0]]), np.ones((1, 1)), np.zeros((1, 2)))
    ranked = ContentRecommender().recommend(catalog, asked, 1)
    with pytest.raises(ValueError, match="at least 0"):
        explain(catalog, asked, ranked.rows, ranked.scores, -1)
    with pytest.raises(ValueError, match="these 1 queries, not of 2"):
        explain(catalog, asked, ranked.rows.repeat(2, 0), ranked.scores.repeat(2, 0))


def test_of_several_vectors_the_one_that_ranked_an_item_explains_it() -> None:
    catalog = make_catalog(np.eye(3, dtype=np.float32))
    vectors = np.array([[[2, 0, 0], [0, 1, 0.5]]], dtype=np.float32)
    # Event 0 made the first vector, events 1 and 2 the second.
    coefficients = np.array([[[2, 0, 0], [0, 1, 0.5]]], dtype=np.float32)
    shares, history = np.array([[1, 0.5]], dtype=np.float32), np.array([[0, 1, 2]], dtype=np.int32)
    ranked = ContentRecommender().recommend(
        catalog, Queries(vectors, shares, [()], history, coefficients), 3, 1
    )
    assert ranked.rows.tolist() == [[0, 1, 2]]
    assert ranked.scores.tolist() == [[2, 0.5, 0.25]]
    assert ranked.reasons.index[0, :, 0].tolist() == [0, 1, 2]
    assert ranked.reasons.contributions[0, :, 0].tolist() == [2, 0.5, 0.25]
    assert not ranked.reasons.rest.any()
