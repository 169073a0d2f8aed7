"""What every recommender promises; runs over each entry of RECOMMENDERS by itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.recommend import RECOMMENDERS, Catalog, Queries, Ranked, Recommender
from streams.settings.settings import Settings

DIM = 5
each = pytest.mark.parametrize("name", sorted(RECOMMENDERS))


def make(name: str) -> Recommender:
    made: Recommender = RECOMMENDERS.build(name, Settings(dimensions=DIM))
    return made


def make_catalog(items: int, hidden: Collection[int] = ()) -> Catalog:
    catalog = Catalog(DIM)
    for row, vector in enumerate(np.random.default_rng(items).standard_normal((items, DIM))):
        catalog.put(f"i{row}", (vector / np.linalg.norm(vector)).astype(np.float32), hidden=row in hidden)
    return catalog


def asked(users: int, items: int, seed: int = 0) -> Queries:
    """Queries of which one in four is zero, with items to leave out and a history."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((users, DIM)).astype(np.float32)
    vectors[random.random(users) < 0.25] = 0
    return Queries.single(
        vectors=vectors,
        exclude=[set(np.flatnonzero(random.random(items) < 0.3).tolist()) for _ in range(users)],
        history_rows=random.integers(-1, max(items, 1), (users, 3)).astype(np.int32)
        if items
        else no_rows(users),
        coefficients=random.random((users, 3)).astype(np.float32),
    )


def no_rows(users: int) -> Any:
    return np.full((users, 3), -1, dtype=np.int32)


def only(queries: Queries, users: list[int]) -> Queries:
    return Queries(
        queries.vectors[users],
        queries.shares[users],
        [queries.exclude[user] for user in users],
        queries.history_rows[users],
        queries.history_coefficients[users],
    )


CASES = st.tuples(st.integers(0, 60), st.integers(1, 8), st.integers(1, 12), st.integers(0, 1000))


@each
@given(case=CASES)
@examples(max_examples=60)
def test_every_user_gets_live_items_best_first(name: str, case: tuple[int, int, int, int]) -> None:
    items, users, k, seed = case
    hidden = {row for row in range(items) if row % 5 == 0}
    queries = asked(users, items, seed)
    ranked = make(name).recommend(make_catalog(items, hidden), queries, k)
    assert (ranked.rows.shape, ranked.scores.shape) == ((users, k), (users, k))
    assert (ranked.rows.dtype, ranked.scores.dtype) == (np.int32, np.float32)
    for user in range(users):
        rows, scores = ranked.rows[user], ranked.scores[user]
        count = int((rows >= 0).sum())
        assert (rows[count:] == -1).all()
        assert (scores[count:] == 0).all()
        assert np.isfinite(scores).all()
        assert (np.diff(scores[:count]) <= 0).all()
        allowed = set(range(items)) - hidden - set(queries.exclude[user])
        assert len(set(rows[:count].tolist())) == count
        assert set(rows[:count].tolist()) <= allowed


@each
@given(case=CASES)
@examples(max_examples=60)
def test_a_users_answer_depends_on_the_users_query_alone(name: str, case: tuple[int, int, int, int]) -> None:
    items, users, k, seed = case
    catalog, queries, recommender = make_catalog(items), asked(users, items, seed), make(name)
    together = recommender.recommend(catalog, queries, k)
    assert_same(recommender.recommend(catalog, queries, k), together)
    for user in range(users):
        alone = recommender.recommend(catalog, only(queries, [user]), k)
        np.testing.assert_array_equal(alone.rows, together.rows[[user]])
        np.testing.assert_array_equal(alone.scores, together.scores[[user]])


@each
@given(case=CASES)
@examples(max_examples=60)
def test_the_terms_of_each_score_add_up_to_it(name: str, case: tuple[int, int, int, int]) -> None:
    items, users, k, seed = case
    ranked = make(name).recommend(make_catalog(items), asked(users, items, seed), k, reasons=2)
    total = ranked.reasons.contributions.sum(axis=2) + ranked.reasons.rest
    np.testing.assert_allclose(total, ranked.scores, atol=1e-5)


def assert_same(one: Ranked, other: Ranked) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.scores, other.scores)


@each
def test_nobody_and_nothing_are_answered_too(name: str) -> None:
    recommender = make(name)
    assert recommender.recommend(make_catalog(9), asked(0, 9), 4).rows.shape == (0, 4)
    assert (recommender.recommend(Catalog(DIM), asked(2, 0), 4).rows == -1).all()


@each
def test_what_cannot_be_answered_is_refused(name: str) -> None:
    recommender, catalog, queries = make(name), make_catalog(9), asked(2, 9)
    with pytest.raises(ValueError, match="k"):
        recommender.recommend(catalog, queries, 0)
    with pytest.raises(ValueError, match="dimensions"):
        recommender.recommend(Catalog(DIM + 1), queries, 3)
    with pytest.raises(ValueError, match="finite"):
        recommender.recommend(catalog, asked_with(np.full((2, DIM), np.nan, np.float32), [(), ()]), 3)
    with pytest.raises(ValueError, match="excluded"):
        recommender.recommend(catalog, asked_with(queries.vectors[:, 0], [(99,), ()]), 3)


def asked_with(vectors: Any, exclude: list[Collection[int]]) -> Queries:
    return Queries.single(vectors, exclude, no_rows(2), np.zeros((2, 3), dtype=np.float32))
