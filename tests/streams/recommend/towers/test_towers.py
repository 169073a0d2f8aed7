"""Two vectors of each item that learn from what is used next."""

from __future__ import annotations

import numpy as np
import pytest

from streams.kernels.compiling import compiled, numpy_only
from streams.recommend.sources.two_tower import NAMES, TwoTowerSource
from streams.recommend.towers.towers import Towers
from tests.contracts.test_recommender_contract import asked, make_catalog


def taught(steps: int, dim: int = 16, seed: int = 0) -> Towers:
    """After item 2 i comes 2 i + 1, of 20 items; their content says nothing of it."""
    rng, towers = np.random.default_rng(seed), Towers(dim)
    towers.grow(rng.standard_normal((20, dim)).astype(np.float32))
    for _ in range(steps):
        first = 2 * int(rng.integers(10))
        towers.learn(np.array([first], dtype=np.int32), {first + 1})
        towers.learn(np.array([first + 1], dtype=np.int32), {2 * int(rng.integers(10))})
    return towers


def best_after(towers: Towers, row: int) -> int:
    interest = towers.interest(np.array([row], dtype=np.int32))
    return int(towers.products(interest, np.arange(20, dtype=np.int32)).argmax())


def test_what_follows_an_item_gets_the_largest_product() -> None:
    towers = taught(400)
    assert sum(best_after(towers, row) == row + 1 for row in range(0, 20, 2)) >= 9


def test_before_it_is_taught_the_product_is_the_cosine_of_the_first_dimensions() -> None:
    rng, towers = np.random.default_rng(1), Towers(8)
    vectors = rng.standard_normal((5, 12)).astype(np.float32)
    towers.grow(vectors)
    units = vectors[:, :8] / np.linalg.norm(vectors[:, :8], axis=1, keepdims=True)
    found = towers.products(towers.interest(np.array([2], dtype=np.int32)), np.arange(5, dtype=np.int32))
    np.testing.assert_allclose(found, units @ units[2], rtol=1e-5, atol=1e-6)


def test_the_newer_item_counts_more_and_all_parts_add_up_to_one() -> None:
    towers = Towers(8, fall=0.5)
    towers.grow(np.eye(8, dtype=np.float32))
    found = towers.interest(np.array([3, 5], dtype=np.int32))
    np.testing.assert_allclose(found[[3, 5]], [2 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize("dim", [8, 16, 64])
def test_it_learns_the_same_bits_without_compiled_code(dim: int) -> None:
    assert compiled()
    one = taught(40, dim)
    with numpy_only():
        other = taught(40, dim)
    for name in ("ins", "outs", "in_squares", "out_squares"):
        assert getattr(one, name)[:20].tobytes() == getattr(other, name)[:20].tobytes(), name
    rows = np.arange(20, dtype=np.int32)
    found = one.products(one.interest(rows[:5]), rows)
    with numpy_only():
        assert found.tobytes() == other.products(other.interest(rows[:5]), rows).tobytes()


def test_a_new_item_begins_as_its_content_and_leaves_the_others_as_they_are() -> None:
    towers = taught(10, 8)
    before = towers.ins[:20].copy()
    vectors = np.concatenate((np.zeros((20, 8)), np.eye(8)[:1])).astype(np.float32)
    towers.grow(vectors)
    assert len(towers) == 21
    assert towers.ins[:20].tobytes() == before.tobytes()
    assert towers.ins[20].tolist() == vectors[20].tolist()


def test_the_source_says_nothing_before_it_was_told_of_enough_uses() -> None:
    catalog, queries = make_catalog(20), asked(2, 20, seed=1)
    source, rows = TwoTowerSource(silent=3), np.tile(np.arange(20, dtype=np.int32), (2, 1))
    source.learn(catalog, queries, [{3}, {4}])
    assert np.isnan(source.scores(catalog, queries, rows)[NAMES[0]]).all()
    source.learn(catalog, queries, [{5}, set()])
    assert np.isfinite(source.scores(catalog, queries, rows)[NAMES[0]]).any()


def test_items_of_one_visit_are_learned_from_one_another() -> None:
    rng, towers = np.random.default_rng(3), Towers(16)
    towers.grow(rng.standard_normal((20, 16)).astype(np.float32))
    for _ in range(400):
        first = 2 * int(rng.integers(10))
        towers.learn_together(np.zeros(0, dtype=np.int32), {first, first + 1}, last=10)
    rows = np.arange(20, dtype=np.int32)
    for row in range(20):
        products = towers.products(towers.interest(np.array([row], dtype=np.int32)), rows)
        products[row] = -np.inf
        assert int(products.argmax()) == row ^ 1


def test_of_one_visit_the_last_items_count_and_then_those_before_it() -> None:
    one, other = (Towers(8), Towers(8))
    for towers in (one, other):
        towers.grow(np.eye(8, dtype=np.float32))
        towers.learn(np.array([7], dtype=np.int32), {6})
    one.learn_together(np.array([4, 5], dtype=np.int32), {1}, last=1)
    other.learn(np.array([4], dtype=np.int32), {1})
    assert one.ins.tobytes() == other.ins.tobytes()
    assert one.outs.tobytes() == other.outs.tobytes()
