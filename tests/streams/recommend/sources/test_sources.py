"""The scores of the sources, against the same written down plainly."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.items.layout import HALF_LIVES_MS, NEIGHBOURS
from streams.items.leaders import LEADERS, Leaders
from streams.items.signals import NO_KEY, ItemSignals
from streams.items.states import ItemStates
from streams.items.table import ItemTable
from streams.kernels.compiling import numpy_only
from streams.recommend import Catalog, Queries
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import CONTENT
from streams.recommend.sources import neighbours, popularity
from streams.recommend.sources.cold import ColdSource
from streams.recommend.sources.content import NearestSource
from streams.recommend.sources.every import every_source
from streams.recommend.sources.neighbours import NeighbourSource
from streams.recommend.sources.own import OwnSource
from streams.recommend.sources.popularity import PopularitySource
from streams.recommend.sources.sessions import SessionSource

T0, DAY, DIM, ITEMS = 1_700_000_000_000, 86_400_000, 8, 60


@pytest.fixture
def catalog() -> Catalog:
    made, rng = Catalog(DIM), np.random.default_rng(1)
    for row, vector in enumerate(rng.standard_normal((ITEMS, DIM)).astype(np.float32)):
        made.put(f"i{row}", vector / np.linalg.norm(vector))
    return made


def fed(catalog: Catalog, signals: list[tuple[int, int, float, int, int]]) -> ItemTable:
    """A table that took signals in: row, other row or -1, weight, time and session of each."""
    states, keys = ItemStates(ItemTable(catalog)), catalog.keys
    rows, others, weights, times, sessions = (np.array(column) for column in zip(*signals, strict=True))
    states.fold(
        ItemSignals(
            keys[rows],
            np.where(others < 0, np.uint64(NO_KEY), keys[others]),
            weights.astype(np.float32),
            times.astype(np.int64),
            sessions.astype(np.uint64),
            np.arange(len(rows)),
        )
    )
    assert states.table is not None
    return states.table


def uses(row: int, number: int, time: int = T0, session: int = 0) -> list[tuple[int, int, float, int, int]]:
    return [(row, -1, 1.0, time, session)] * number


def asking(history: list[int], catalog: Catalog, exclude: tuple[int, ...] = (), **more: Any) -> Queries:
    """One user's query with this history, the newest last, of an interest in item 0."""
    return replace(
        Queries.single(
            catalog.vectors[:1].copy(),
            [set(exclude)],
            np.array([history], dtype=np.int32),
            np.ones((1, len(history)), dtype=np.float32),
        ),
        history_ordinals=np.arange(len(history))[None],
        **more,
    )


def by_row(found: Any, name: str) -> dict[int, float]:
    rows = found.rows[0].tolist()
    return {row: score for row, score in zip(rows, found.scores[name][0].tolist(), strict=True) if row >= 0}


def test_neighbours_by_their_formula(catalog: Catalog) -> None:
    rng, weights = np.random.default_rng(2), defaultdict(float)
    counts = rng.integers(0, 9, ITEMS)
    signals = [signal for row in range(ITEMS) for signal in uses(row, int(counts[row]))]
    for row, other in rng.integers(0, 20, (400, 2)).tolist():
        signals.append((row, other, 0.5, T0, 0))
        weights[row, other] += 0.5
    source = NeighbourSource(fed(catalog, signals))
    history = rng.integers(0, 20, 40).tolist()
    found = source.candidates(catalog, asking(history, catalog, as_of=np.array([T0 + 90 * DAY])), 10)
    newest = list(dict.fromkeys(reversed(history)))
    for last, fall in neighbours.WINDOWS:
        for name, share in (("lasting", 1.0), ("recent", 0.5)):
            scores = by_row(found, f"neighbours_{name}_{last}")
            for row, score in scores.items():
                total = sum(
                    fall**k * share * weights[item, row] / np.sqrt(counts[item] + 3)
                    for k, item in enumerate(newest[:last])
                )
                assert score == pytest.approx(total / (counts[row] + 5) ** 0.25, rel=1e-4)
    assert set(by_row(found, neighbours.NAMES[0])) == {other for item, other in weights if item in newest}


def test_no_more_neighbours_than_asked_for_and_the_best_of_each_score_are_among_them(
    catalog: Catalog,
) -> None:
    signals = [(0, other, other / 8, T0, 0) for other in range(1, 30)]
    signals += [(1, other, 9.0 + other, T0, 0) for other in range(30, 60)]
    source = NeighbourSource(fed(catalog, signals), found=20)
    found = source.candidates(catalog, asking([1, 0], catalog), 1)
    rows = set(by_row(found, "neighbours_lasting_1"))
    assert len(rows) == 20
    assert {29, 59} <= rows


def test_popularity_is_decayed_to_the_moment(catalog: Catalog) -> None:
    table = fed(catalog, [*uses(3, 8, T0), *uses(4, 1, T0 + DAY)])
    query = asking([0], catalog, as_of=np.array([T0 + 2 * DAY]))
    found = PopularitySource(table, 1).candidates(catalog, query, 1)
    for name, half_life in zip(popularity.NAMES, HALF_LIVES_MS, strict=True):
        scores = by_row(found, name)
        assert scores[3] == pytest.approx(8 * 2.0 ** (-2 * DAY / half_life), rel=1e-6)
        assert scores[4] == pytest.approx(2.0 ** (-DAY / half_life), rel=1e-6)


@pytest.mark.parametrize("plain", [False, True])
def test_leaders_are_those_of_a_full_sort(plain: bool) -> None:
    def found() -> tuple[Any, Any]:
        rng, leaders, rows = np.random.default_rng(4), Leaders(), 1500
        sums, times = np.zeros((rows, 6)), np.zeros(rows, dtype=np.int64)
        leaders.grow(rows)
        for step in range(30):
            changed = rng.choice(rows, 150, replace=False).astype(np.int32)
            sums[changed] += rng.integers(1, 30, (150, 6))
            if step % 10 == 9:  # a state of before comes back
                sums[changed[:5]] = 0.5
            times[changed] = T0 + step * DAY
            leaders.update(changed, sums[changed], times[changed])
            out = rng.random(rows) < rng.choice([0.1, 0.9])
        keys = np.log2(np.where(sums > 0, sums, 1e-300)) + times[:, None] / np.array(HALF_LIVES_MS)
        keys[(sums == 0) | out[:, None]] = -np.inf
        order = [np.lexsort((np.arange(rows), -keys[:, which]))[:60] for which in range(6)]
        return leaders.first(60, out), np.stack(order)

    if plain:
        with numpy_only():
            rows, expected = found()
    else:
        rows, expected = found()
    assert LEADERS < 1500
    np.testing.assert_array_equal(rows, expected)


def test_own_items_by_decayed_frequency(catalog: Catalog) -> None:
    query = asking(
        [5, 7, 5, 9, 11],
        catalog,
        exclude=(11,),
        as_of=np.array([T0]),
        history_times=T0 - np.array([[90, 7, 0, 0, 0]]) * DAY,
        history_weights=np.array([[1, 1, 0.5, -1, 1]], dtype=np.float32),
    )
    found = OwnSource(ItemTable(catalog)).candidates(catalog, query, 5)
    assert found.rows.tolist() == [[5, 7]]
    assert by_row(found, "own_90d") == {5: 1.5, 7: pytest.approx(2 ** (-7 / 90))}
    assert by_row(found, "own_7d") == {5: pytest.approx(1.0, abs=1e-3), 7: 0.5}
    assert by_row(found, "own_uses") == {5: 2.0, 7: 1.0}


def test_what_users_come_back_to_counts_more(catalog: Catalog) -> None:
    query = asking(
        [5, 7], catalog, exclude=(), as_of=np.array([T0]), history_times=T0 - np.array([[90, 7]]) * DAY
    )
    source = OwnSource(ItemTable(catalog))
    for _ in range(3):
        source.learn(catalog, query, [{5, 9}])
    again = by_row(source.candidates(catalog, query, 5), "own_again")
    assert again == {5: pytest.approx(4 / 8), 7: pytest.approx(1 / 5)}


def test_sessions_that_had_the_last_items_bring_their_others(catalog: Catalog) -> None:
    rows = [*uses(1, 1, session=8), *uses(2, 1, session=8), *uses(3, 1, session=8)]
    rows += [*uses(2, 1, session=9), *uses(4, 1, session=9), *uses(5, 1, session=7)]
    found = SessionSource(fed(catalog, rows)).candidates(catalog, asking([1, 2], catalog, exclude=(1,)), 9)
    scores = by_row(found, "sessions")
    assert scores == {2: pytest.approx(1.9 + 1), 3: pytest.approx(1.9), 4: pytest.approx(1.0)}


def test_the_nearest_are_those_of_the_content_source(catalog: Catalog) -> None:
    vectors = np.concatenate([catalog.vectors[None, :2], np.zeros((1, 2, DIM), dtype=np.float32)])
    shares = np.array([[0.25, 0.75], [1, 1]], dtype=np.float32)
    history, coefficients = np.full((2, 1), -1, dtype=np.int32), np.zeros((2, 2, 1), dtype=np.float32)
    queries = Queries(vectors, shares, [{1, 2}, {0}], history, coefficients)
    for source in every_source(ItemTable(catalog)):
        if isinstance(source, NearestSource):
            found, expected = (
                source.candidates(catalog, queries, 20),
                ContentSource().candidates(catalog, queries, 50),
            )
            np.testing.assert_array_equal(found.rows, expected.rows)
            assert found.scores[CONTENT].tobytes() == expected.scores[CONTENT].tobytes()


def test_items_are_cold_until_their_third_use(catalog: Catalog) -> None:
    table = fed(catalog, [signal for row in range(ITEMS) for signal in uses(row, row % 4)])
    found = ColdSource(table).candidates(catalog, asking([0], catalog, exclude=(4,)), 5)
    products = by_row(found, "cold")
    assert set(products) == {row for row in range(ITEMS) if row % 4 < 3 and row != 4}
    assert found.rows[0, 0] == 0
    assert products[0] == pytest.approx(1.0, rel=1e-6)


def test_no_source_has_the_name_of_another(catalog: Catalog) -> None:
    table = fed(catalog, uses(3, 8))
    names = [n for s in every_source(table) for n in s.candidates(catalog, asking([3], catalog), 5).scores]
    assert len(set(names)) == len(names) == 10 + 1 + 6 + 5 + 1 + 1 + 3 + 3
    assert NEIGHBOURS == 100
