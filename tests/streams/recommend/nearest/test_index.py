"""The index finds nearly all of the nearest items, follows the catalog, and does not wear out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.kernels.compiling import compiled
from streams.recommend.base import Floats, Mask, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.index import CellIndex
from streams.recommend.sources.reading import largest_products

pytestmark = pytest.mark.skipif(not compiled(), reason="the index needs compiled code")
DIM, K = 32, 20


def vectors(items: int, seed: int, kinds: int = 40) -> Floats:
    """(items, DIM) unit rows, of a kind near one another; 0 kinds for none near any."""
    rng = np.random.default_rng(seed)
    found = rng.standard_normal((items, DIM))
    if kinds:
        found = found + 1.5 * rng.standard_normal((kinds, DIM))[rng.integers(0, kinds, items)]
    unit: Floats = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def filled(items: int, seed: int = 0, kinds: int = 40) -> Catalog:
    catalog = Catalog(DIM)
    for row, vector in enumerate(vectors(items, seed, kinds)):
        catalog.put(f"i{row}", vector)
    return catalog


def following(catalog: Catalog, recall: float = 0.97) -> CellIndex:
    index = CellIndex(catalog, recall)
    index.follow()
    return index


def asked(catalog: Catalog, number: int, seed: int = 5) -> Floats:
    """(number, DIM) vectors, each made of a few live items."""
    rows = np.random.default_rng(seed).choice(np.flatnonzero(catalog.live), (number, 6))
    return (catalog.vectors[rows] * (0.8 ** np.arange(6, dtype=np.float32))[:, None]).sum(axis=1)


def best(catalog: Catalog, vector: Floats, rows: Rows, k: int = K) -> list[int]:
    """Of these rows the k with the largest products."""
    products = largest_products(vector[None], catalog.vectors, rows)
    return rows[np.lexsort((rows, -products))[:k]].tolist()


def recall(catalog: Catalog, index: CellIndex, banned: Mask | None = None) -> float:
    """The share of the nearest live items that are not banned that are found, over some queries."""
    out, shares = ~catalog.live if banned is None else ~catalog.live | banned, []
    for vector in asked(catalog, 40):
        exact = best(catalog, vector, np.flatnonzero(~out).astype(np.int32))
        found = best(catalog, vector, index.search(vector[None], out, K))
        shares.append(len(set(exact) & set(found)) / len(exact))
    return float(np.mean(shares))


def test_it_finds_nearly_all_of_the_nearest_and_looks_at_few() -> None:
    catalog = filled(6000)
    index = following(catalog)
    assert recall(catalog, index) >= 0.95
    assert index.looked < 2000


def test_where_no_item_is_near_another_it_looks_at_more_and_finds_them_too() -> None:
    catalog = filled(3000, kinds=0)
    assert recall(catalog, following(catalog)) >= 0.95


def test_what_comes_changes_or_goes_is_followed_at_once() -> None:
    catalog = filled(500)
    index, target = following(catalog), vectors(1, 99)[0]
    catalog.put("new", target)
    catalog.put("i7", target)
    catalog.put("i8", target, hidden=True)
    catalog.put("i9", target)
    catalog.remove("i9")
    index.follow()
    found = index.search(target[None], ~catalog.live, K).tolist()
    assert {7, 500} <= set(found)
    assert not {8, 9} & set(found)
    assert len(index) == 499
    catalog.put("i8", target)
    index.follow()
    assert 8 in index.search(target[None], ~catalog.live, K).tolist()


def test_items_that_a_user_had_do_not_take_the_place_of_others() -> None:
    catalog = filled(2000)
    index, vector = following(catalog), asked(catalog, 1)[0]
    banned = np.zeros(2000, dtype=np.bool_)
    # All that it would have looked at.
    banned[best(catalog, vector, np.arange(2000, dtype=np.int32), 1500)] = True
    found = index.search(vector[None], banned, K)
    assert len(found) >= K
    assert not banned[found].any()


def test_only_rows_of_few_uses_are_found_where_uses_matter() -> None:
    catalog, uses = filled(800), np.arange(800) % 5
    index = following(catalog)
    found = index.search(asked(catalog, 1), ~catalog.live, K, uses, below=3, enough=False)
    assert len(found)
    assert (uses[found] < 3).all()


def test_it_does_not_wear_out_where_items_are_replaced() -> None:
    catalog = filled(3000)
    index, before = following(catalog), following(catalog).bytes
    for turn in range(1, 6):
        for number, vector in enumerate(vectors(3000, turn)):
            catalog.remove(f"{'i' if turn == 1 else f't{turn - 1}-'}{number}")
            # Half of them come back under ids that are known.
            catalog.put(f"t{turn}-{number}", vector)
            if number % 500 == 499:
                index.follow()
        assert len(index) == 3000
        assert recall(catalog, index) >= 0.95
    per_row = 20 * len(catalog.item_ids)
    assert index.bytes < 3 * before + per_row


def test_the_same_catalog_gives_the_same_index() -> None:
    catalog = filled(1500)
    one, other = following(catalog), following(catalog)
    assert one.reach == other.reach
    for vector in asked(catalog, 10):
        assert np.array_equal(
            one.search(vector[None], ~catalog.live, K), other.search(vector[None], ~catalog.live, K)
        )


CHANGES = st.lists(st.tuples(st.sampled_from("phr"), st.integers(0, 300)), max_size=120)


@given(turns=st.lists(CHANGES, max_size=4), start=st.integers(0, 200))
@examples(max_examples=60, deadline=None)
def test_each_live_row_is_found_once_whatever_happened(
    turns: list[list[tuple[str, int]]], start: int
) -> None:
    catalog, rng = filled(start), np.random.default_rng(3)
    index = CellIndex(catalog, recall=1.0)
    index.follow()
    for changes in turns:
        for kind, number in changes:
            if kind == "r":
                catalog.remove(f"i{number}")
            else:
                vector = rng.standard_normal(DIM).astype(np.float32)
                catalog.put(f"i{number}", vector, hidden=kind == "h")
        index.follow()
    live = np.flatnonzero(catalog.live)
    found = index.search(np.ones((1, DIM), dtype=np.float32), ~catalog.live, len(live) + 1)
    assert sorted(found.tolist()) == live.tolist()
    assert len(index) == len(live)


def test_an_empty_catalog_has_none() -> None:
    catalog = Catalog(DIM)
    index = following(catalog)
    assert index.search(np.ones((1, DIM), dtype=np.float32), ~catalog.live, K).tolist() == []
