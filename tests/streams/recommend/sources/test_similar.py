"""How similar items are to the last items of the user, one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.kernels.compiling import compiled, numpy_only
from streams.recommend.sources.similar import LAST, likenesses


@given(st.integers(1, 20), st.integers(1, LAST), st.integers(0, 30), st.integers(0, 99))
def test_the_newest_the_last_ten_and_the_most_similar_of_all(
    dim: int, used: int, many: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((60, dim)).astype(np.float32)
    items, rows = (rng.choice(60, number, replace=False).astype(np.int32) for number in (used, many))
    products = vectors[rows].astype(np.float64) @ vectors[items].T
    fades = 0.8 ** np.arange(min(used, 10))
    newest, mean, most = likenesses(vectors, items, rows)
    np.testing.assert_allclose(newest, products[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, products[:, :10] @ fades / fades.sum(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(most, products.max(axis=1), rtol=1e-4, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, LAST), st.integers(0, 99))
def test_it_is_the_same_to_the_bit_without_compiled_code(dim: int, used: int, seed: int) -> None:
    assert compiled()
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, dim)).astype(np.float32)
    items, rows = rng.choice(40, used).astype(np.int32), rng.choice(40, 25).astype(np.int32)
    found = likenesses(vectors, items, rows)
    with numpy_only():
        assert found.tobytes() == likenesses(vectors, items, rows).tobytes()
