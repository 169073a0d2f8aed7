"""Recommenders of a large catalog ask the index, and are exact where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from streams.kernels.compiling import compiled, numpy_only
from streams.recommend import Catalog, ContentRecommender, Queries
from streams.recommend.nearest.products import EXACT, Approximate, Products
from streams.settings.settings import Settings

DIM, ITEMS, USERS = 16, 1200, 12
LARGE = Approximate(above=1000)


@pytest.fixture
def catalog() -> Catalog:
    made, rng = Catalog(DIM), np.random.default_rng(1)
    for row, vector in enumerate(rng.standard_normal((ITEMS, DIM)).astype(np.float32)):
        made.put(f"i{row}", vector / np.linalg.norm(vector), hidden=row % 50 == 0)
    return made


@pytest.fixture
def queries() -> Queries:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((USERS, DIM)).astype(np.float32)
    vectors[0] = 0
    exclude = [set(rng.integers(0, ITEMS, 30).tolist()) for _ in range(USERS)]
    rows = np.full((USERS, 1), -1, dtype=np.int32)
    return Queries.single(vectors, exclude, rows, np.zeros((USERS, 1), dtype=np.float32))


@pytest.mark.skipif(not compiled(), reason="the index needs compiled code")
def test_by_the_index_nearly_the_same_is_recommended_with_the_same_scores(
    catalog: Catalog, queries: Queries
) -> None:
    exact = ContentRecommender().recommend(catalog, queries, 20)
    found = ContentRecommender(approximate=LARGE).recommend(catalog, queries, 20)
    shared = 0
    for user in range(USERS):
        score = dict(zip(exact.rows[user].tolist(), exact.scores[user].tolist(), strict=True))
        same = dict(zip(found.rows[user].tolist(), found.scores[user].tolist(), strict=True))
        shared += len(score.keys() & same.keys())
        assert all(same[row] == score[row] for row in score.keys() & same.keys())
        assert not queries.exclude[user] & same.keys()
        assert (catalog.live[found.rows[user]]).all()
    assert shared >= 0.95 * USERS * 20


def test_without_compiled_code_it_is_exact(catalog: Catalog, queries: Queries) -> None:
    exact = ContentRecommender().recommend(catalog, queries, 20)
    with numpy_only():
        found = ContentRecommender(approximate=LARGE).recommend(catalog, queries, 20)
    assert np.array_equal(exact.rows, found.rows)


@pytest.mark.skipif(not compiled(), reason="the index needs compiled code")
def test_a_catalog_that_grows_gets_an_index_and_one_that_shrinks_loses_it(
    catalog: Catalog, queries: Queries
) -> None:
    products, few = Products(LARGE), queries.only([1])
    for item in range(ITEMS - 1, 899, -1):
        catalog.remove(f"i{item}")
    small, _ = products.best(catalog, few, 0, ~catalog.live, 20)
    exact, _ = Products(EXACT).best(catalog, few, 0, ~catalog.live, 20)
    assert np.array_equal(small, exact)
    for item in range(900, ITEMS):
        catalog.put(f"i{item}", catalog.vectors[item])
    large, _ = products.best(catalog, few, 0, ~catalog.live, 20)
    exact, _ = Products(EXACT).best(catalog, few, 0, ~catalog.live, 20)
    assert len(set(large.tolist()) & set(exact.tolist())) >= 17
    for item in range(900, ITEMS):
        catalog.remove(f"i{item}")
    assert np.array_equal(products.best(catalog, few, 0, ~catalog.live, 20)[0], small)


def test_an_index_is_asked_above_a_hundred_thousand_items_by_default() -> None:
    wanted = Settings().recommendations
    assert (wanted.approximate_above, wanted.approximate_recall) == (100_000, 0.97)
