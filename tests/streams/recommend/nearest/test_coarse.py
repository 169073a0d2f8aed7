"""The coarse vectors' bounds hold for the exact products, whatever the sizes of the vectors, and follow the catalog."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.kernels.compiling import compiled
from streams.recommend.base import Floats
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.coarse import Coarse, within
from streams.recommend.sources.reading import largest_products

pytestmark = pytest.mark.skipif(not compiled(), reason="the bounds need compiled code")


def filled(items: int, dim: int, sizes: tuple[float, ...], seed: int) -> Catalog:
    """A catalog of vectors of these lengths in turn, one of a single number among them."""
    catalog, rng = Catalog(dim), np.random.default_rng(seed)
    for row in range(items):
        vector = rng.standard_normal(dim) if row % 5 else np.eye(1, dim)[0]
        catalog.put(f"i{row}", (vector / np.linalg.norm(vector) * sizes[row % len(sizes)]).astype(np.float32))
    return catalog


def exact(vectors: Floats, catalog: Catalog) -> Floats:
    return largest_products(vectors, catalog.vectors, np.arange(len(catalog.item_ids), dtype=np.int32))


SIZES = st.lists(st.sampled_from([0.0, 1e-38, 1e-20, 0.3, 1.0, 1.0, 7.0, 9e14]), min_size=1, max_size=4)
CASES = st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 5, 128, 700]), SIZES, SIZES, st.integers(0, 99))


@given(case=CASES, k=st.integers(1, 20))
@examples(max_examples=150, deadline=None)
def test_bounds_hold_and_none_of_the_best_is_missed(
    case: tuple[int, int, list[float], list[float], int], k: int
) -> None:
    items, dim, sizes, lengths, seed = case
    catalog, rng = filled(items, dim, tuple(sizes), seed), np.random.default_rng(seed + 1)
    vectors = rng.standard_normal((len(lengths), dim)).astype(np.float64)
    vectors *= np.array(lengths)[:, None] / np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = vectors.astype(np.float32)
    coarse = Coarse(catalog)
    coarse.follow()
    lower, upper, highest = coarse.bounds(asked)
    products = exact(asked, catalog)
    assert (lower <= products).all()
    assert (products <= upper).all()
    banned = rng.random(items) < 0.3
    best = np.lexsort((np.arange(items), -np.where(banned, -np.inf, products)))[:k]
    found = within((lower, upper, highest), banned, k)
    assert set(best[~banned[best]].tolist()) <= set(found.tolist())
    assert not banned[found].any()


def test_it_follows_what_comes_changes_and_goes() -> None:
    catalog = filled(30, 8, (1.0,), 1)
    coarse, asked = Coarse(catalog), np.eye(8, dtype=np.float32)[:1]
    coarse.follow()
    catalog.put("i3", np.full(8, 2, dtype=np.float32))
    catalog.put("new", np.full(8, -2, dtype=np.float32))
    catalog.remove("i5")
    coarse.follow()
    lower, upper, _ = coarse.bounds(asked)
    products = exact(asked, catalog)
    assert len(lower) == 31
    assert ((lower <= products) & (products <= upper)).all()
    assert upper[3] - lower[3] < 0.2


def test_few_rows_are_left_to_decide() -> None:
    catalog = filled(4000, 128, (1.0,), 2)
    coarse = Coarse(catalog)
    coarse.follow()
    bounds = coarse.bounds(catalog.vectors[7:8].copy())
    assert len(within(bounds, ~catalog.live, 50)) < 150
