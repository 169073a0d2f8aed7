"""Sums by catalog row, and what is chosen by them: compiled and in numpy, against the same written down plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.items.table import ItemTable
from streams.kernels.compiling import compiled, numpy_only
from streams.recommend.after.picked import best
from streams.recommend.catalog import Catalog
from streams.recommend.finding.sums import Sums
from streams.recommend.learned.arithmetic import decays
from streams.recommend.sources.reading import distinct
from tests.contracts.test_recommender_contract import asked, make_catalog

ROWS = 300


def both(compute: Any) -> Any:
    """What it gives compiled, which numpy gives, too."""
    assert compiled()
    found = compute()
    with numpy_only():
        np.testing.assert_array_equal(compute(), found)
    return found


def filled(touched: Any, values: Any) -> Sums:
    sums, catalog = Sums(values.shape[1]), make_catalog(ROWS)
    assert not sums.hold(asked(1, ROWS), 0, ItemTable(catalog), len(touched))
    sums.put(touched, values)
    return sums


@given(seed=st.integers(0, 1000), touched=st.integers(0, ROWS), k=st.integers(1, 80), width=st.integers(1, 6))
@examples(max_examples=60, deadline=None)
@example(seed=757, touched=57, k=11, width=2)
def test_the_best_are_those_of_a_full_sort(seed: int, touched: int, k: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(ROWS)[:touched].astype(np.int32)
    # Few values, so that many are equal; some are 0.
    values = (rng.integers(0, 6, (touched, width)) * 10.0 ** rng.integers(-3, 3, width)).astype(np.float32)
    out = rng.random(ROWS) < 0.3
    found = both(lambda: filled(rows, values).best(out, k))
    largest = values[~out[rows]].max(axis=0, initial=0)
    # Times the reciprocal, as the sums do: a quotient may tie where the product differs in its last bit.
    parts = np.divide(np.float32(1), largest, out=np.zeros_like(largest), where=largest > 0)
    worth = (values * parts).max(axis=1, initial=0)
    ranked = sorted(
        (-worth[at], row) for at, row in enumerate(rows.tolist()) if not out[row] and worth[at] > 0
    )
    assert sorted(found.tolist()) == sorted(row for _, row in ranked[:k])


def test_sums_are_told_of_the_touched_rows_alone_and_forgotten_with_the_user() -> None:
    def told() -> Any:
        sums, catalog, queries = Sums(2), make_catalog(ROWS), asked(2, ROWS)
        table, said = ItemTable(catalog), np.empty((3, 2, 3), dtype=np.float32)
        rows = np.array([9, 4, 7], dtype=np.int32)
        for user in range(2):
            assert not sums.hold(queries, user, table, 5)
            sums.tell(rows, said[user])
            sums.put(np.array([4, 9], dtype=np.int32), np.array([[1, 2], [3, 4]], dtype=np.float32))
            assert sums.hold(queries, user, table, 5)
        sums.tell(rows, said[2])
        return said

    found = both(told)
    assert np.isnan(found[:2]).all()
    np.testing.assert_array_equal(found[2], [[3, 1, np.nan], [4, 2, np.nan]])


def test_more_rows_and_items_than_there_was_room_for() -> None:
    sums, catalog, queries = Sums(1), Catalog(5), asked(1, ROWS)
    assert not sums.hold(queries, 0, ItemTable(catalog), 1)
    catalog = make_catalog(ROWS)
    assert not sums.hold(asked(1, ROWS), 0, ItemTable(catalog), ROWS)
    sums.put(np.arange(ROWS, dtype=np.int32), np.ones((ROWS, 1), dtype=np.float32))
    assert len(sums.touched) == ROWS


def test_decays_are_powers_of_two() -> None:
    elapsed = np.concatenate(([0.0, 1.0, 3.0, 1e18], np.random.default_rng(1).random(200) * 3000))
    found = decays(elapsed, 3.0)
    np.testing.assert_allclose(found, np.exp2(np.maximum(-elapsed / 3.0, -1000)), rtol=1e-12)
    assert found[0] == 1
    assert found[2] == 0.5


@pytest.mark.parametrize("count", [0, 1, 30, 500])
def test_rows_of_several_sources_stand_once_and_rise(count: int) -> None:
    rng = np.random.default_rng(count)
    parts = [rng.integers(-1, 60, count).astype(np.int32) for _ in range(3)]
    found = both(lambda: distinct([part.copy() for part in parts]))
    assert found.tolist() == sorted({row for part in parts for row in part.tolist()} - {-1})


@pytest.mark.parametrize("k", [1, 20, 99, 100, 150])
def test_the_best_scores_come_first_and_of_equal_ones_the_first_place(k: int) -> None:
    scores = np.random.default_rng(k).integers(0, 30, 100).astype(np.float32)
    found = both(lambda: best(scores, k))
    assert found.tolist() == sorted(range(100), key=lambda place: (-scores[place], place))[:k]
