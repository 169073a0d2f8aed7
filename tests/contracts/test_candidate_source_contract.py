"""What every candidate source promises. A source that you add gets an entry in SOURCES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples

from streams.items.signals import NO_KEY, ItemSignals
from streams.items.states import ItemStates
from streams.items.table import ItemTable
from streams.kernels.compiling import compiled, numpy_only
from streams.recommend import Catalog, Queries
from streams.recommend.base import Candidates, CandidateSource
from streams.recommend.content import ContentSource
from streams.recommend.nearest.products import Approximate, Products
from streams.recommend.nearest.source import IndexedSource
from streams.recommend.sources.cold import ColdSource
from streams.recommend.sources.content import NearestSource
from streams.recommend.sources.neighbours import NeighbourSource
from streams.recommend.sources.own import OwnSource
from streams.recommend.sources.popularity import PopularitySource
from streams.recommend.sources.sessions import SessionSource
from streams.recommend.sources.similar import SimilarSource
from streams.recommend.sources.two_tower import TwoTowerSource
from tests.contracts.test_recommender_contract import CASES, asked, make_catalog

T0 = 1_700_000_000_000
DAY = 86_400_000

# Of nearly every catalog here.
BY_INDEX = Approximate(above=10, recall=1.0)
# The content source twice: chunks and tiles of a few users and items must not change its candidates.
SOURCES: dict[str, Callable[[ItemTable], CandidateSource]] = {
    "content": lambda table: ContentSource(),
    "content in pieces": lambda table: ContentSource(2, 7),
    "nearest": lambda table: NearestSource(5),
    "nearest by an index": lambda table: NearestSource(5, Products(BY_INDEX)),
    "indexed": lambda table: IndexedSource(ContentSource(), BY_INDEX),
    "neighbours": lambda table: NeighbourSource(table, 5),
    "sessions": lambda table: SessionSource(table, 5),
    "popularity": lambda table: PopularitySource(table, 2),
    "own": lambda table: OwnSource(table, 2),
    "cold": lambda table: ColdSource(table, 5),
    "cold of late": lambda table: ColdSource(table, 5, lately=True),
    "cold of late by an index": lambda table: ColdSource(table, 5, Products(BY_INDEX), lately=True),
    "cold by an index": lambda table: ColdSource(table, 5, Products(BY_INDEX)),
    "similar": lambda table: SimilarSource(),
    "two-tower": lambda table: TwoTowerSource(silent=0),
}
# Those that find nothing where nothing was learned of items.
COLD = ("cold", "cold of late", "cold by an index", "cold of late by an index")
OF_THE_TABLE = ("neighbours", "sessions", "popularity", *COLD)
# Those that score the candidates of others, too.
SCORERS = (
    "nearest",
    "nearest by an index",
    "neighbours",
    "sessions",
    "popularity",
    "own",
    "similar",
    "two-tower",
)
each = pytest.mark.parametrize("name", SOURCES)
scorer = pytest.mark.parametrize("name", SCORERS)
Case = tuple[int, int, int, int]


def learned(catalog: Catalog, seed: int) -> ItemTable:
    """A table of what was done with the catalog's items; of one in five of them nothing."""
    rng, states = np.random.default_rng(seed), ItemStates(ItemTable(catalog))
    known = catalog.keys[rng.random(len(catalog.keys)) < 0.8]
    for number in (0, 30, 200) if len(known) else ():
        items = rng.choice(known, number)
        pairs = rng.random(number) < 0.7
        signals = ItemSignals(
            items,
            np.where(pairs, rng.choice(known, number), np.uint64(NO_KEY)),
            (rng.integers(1, 5, number) / 4).astype(np.float32),
            T0 - rng.integers(0, 100 * DAY, number),
            np.where(pairs, NO_KEY, rng.integers(1, 20, number)).astype(np.uint64),
            np.arange(number),
        )
        states.fold(signals)
    assert states.table is not None
    return states.table


def remembered(users: int, items: int, seed: int) -> Queries:
    """Queries that know their moment and their history's times."""
    queries, rng = asked(users, items, seed), np.random.default_rng(seed + 1)
    shape = queries.history_rows.shape
    return replace(
        queries,
        as_of=T0 + rng.integers(0, DAY, users),
        history_times=T0 - rng.integers(0, 90 * DAY, shape),
        history_weights=rng.choice(np.array([-1, 0.5, 1], dtype=np.float32), shape),
        history_ordinals=rng.permuted(np.broadcast_to(np.arange(shape[1]), shape), axis=1),
    )


def alone(queries: Queries, user: int) -> Queries:
    """The query of one user."""
    one = slice(user, user + 1)
    optional = ("as_of", "history_times", "history_weights", "history_ordinals")
    known = {name: values[one] for name in optional if (values := getattr(queries, name)) is not None}
    return Queries(
        *(queries.vectors[one], queries.shares[one], [queries.exclude[user]]),
        *(queries.history_rows[one], queries.history_coefficients[one]),
        **known,
    )


@each
@pytest.mark.parametrize("ask", [asked, remembered])
@given(case=CASES)
@examples(max_examples=30, deadline=None)
def test_candidates_are_live_items_that_are_not_excluded_each_once(
    name: str, ask: Callable[[int, int, int], Queries], case: Case
) -> None:
    items, users, k, seed = case
    hidden, removed = (
        {row for row in range(items) if row % 5 == 0},
        {row for row in range(items) if row % 7 == 3},
    )
    catalog, queries = make_catalog(items, hidden), ask(users, items, seed)
    table = learned(catalog, seed)
    for row in removed:
        catalog.remove(f"i{row}")
    found = SOURCES[name](table).candidates(catalog, queries, k)
    assert found.rows.dtype == np.int32
    assert all(scores.shape == found.rows.shape for scores in found.scores.values())
    assert all(scores.dtype == np.float32 for scores in found.scores.values())
    for user, rows in enumerate(found.rows.tolist()):
        own = [row for row in rows if row >= 0]
        assert rows[len(own) :] == [-1] * (len(rows) - len(own))
        assert len(set(own)) == len(own)
        assert set(own) <= set(range(items)) - hidden - removed - set(queries.exclude[user])


@each
@given(case=CASES)
@examples(max_examples=40, deadline=None)
def test_a_users_candidates_depend_on_the_users_query_alone(name: str, case: Case) -> None:
    items, users, k, seed = case
    catalog, queries = make_catalog(items), remembered(users, items, seed)
    source = SOURCES[name](learned(catalog, seed))
    together = source.candidates(catalog, queries, k)
    for user in range(users):
        found = source.candidates(catalog, alone(queries, user), k)
        assert scored(found, 0) == scored(together, user)


@each
@given(case=CASES)
@examples(max_examples=40, deadline=None)
def test_candidates_are_the_same_without_compiled_code(name: str, case: Case) -> None:
    items, users, k, seed = case
    assert compiled()
    catalog, queries = make_catalog(items), remembered(users, items, seed)
    source = SOURCES[name](learned(catalog, seed))
    found = [scored(source.candidates(catalog, queries, k), user) for user in range(users)]
    with numpy_only():
        source = SOURCES[name](learned(catalog, seed))
        candidates = source.candidates(catalog, queries, k)
        assert [scored(candidates, user) for user in range(users)] == found


@each
def test_who_has_nothing_to_go_by_gets_no_error(name: str) -> None:
    """An empty catalog; an empty history; no interest."""
    for items in (0, 1, 9):
        catalog = make_catalog(items)
        queries = replace(asked(2, items), vectors=np.zeros((2, 1, 5), dtype=np.float32))
        queries = replace(queries, history_rows=np.full((2, 3), -1, dtype=np.int32))
        for table in (ItemTable(catalog), learned(catalog, 3)):
            rows = SOURCES[name](table).candidates(catalog, queries, 4).rows
            assert rows.shape[0] == 2
            if name in OF_THE_TABLE and table.latest == 0:
                assert (rows < 0).all()


@scorer
@given(case=CASES)
@examples(max_examples=40, deadline=None)
def test_scores_of_any_rows_are_those_of_the_candidates(name: str, case: Case) -> None:
    items, users, k, seed = case
    catalog, queries = make_catalog(items), remembered(users, items, seed)
    source = SOURCES[name](learned(catalog, seed))
    found = source.candidates(catalog, queries, k)
    width = items + 2
    rows = np.full((users, width), -1, dtype=np.int32)
    rows[:, :items] = np.random.default_rng(seed).permutation(items)
    scores = source.scores(catalog, queries, rows)  # type: ignore[attr-defined]
    assert set(scores) == set(found.scores)
    for score_name, said in scores.items():
        assert (said.shape, said.dtype) == (rows.shape, np.float32)
        assert np.isnan(said[rows < 0]).all()
        for user in range(users):
            by_row = dict(zip(rows[user].tolist(), said[user], strict=True))
            for row, score in zip(found.rows[user].tolist(), found.scores[score_name][user], strict=True):
                assert row < 0 or by_row[row].tobytes() == score.tobytes()
    with numpy_only():
        plain = SOURCES[name](learned(catalog, seed)).scores(catalog, queries, rows)  # type: ignore[attr-defined]
    assert all(plain[score_name].tobytes() == said.tobytes() for score_name, said in scores.items())


@each
def test_the_table_may_change_between_two_questions(name: str) -> None:
    catalog, queries = make_catalog(40), remembered(3, 40, 5)
    states = ItemStates(ItemTable(catalog))
    assert states.table is not None
    source = SOURCES[name](states.table)
    source.candidates(catalog, queries, 5)
    keys = learned(catalog, 9)
    states.table.put(catalog.keys[:1], states.of(catalog.keys[:1]))
    assert len(keys) == 40
    catalog.put("new", np.ones(5, dtype=np.float32))
    fresh = SOURCES[name](states.table)
    for user in range(3):
        asked_again = source.candidates(catalog, queries, 5)
        assert scored(asked_again, user) == scored(fresh.candidates(catalog, queries, 5), user)


def scored(candidates: Candidates, user: int) -> list[tuple[int, list[bytes]]]:
    """A user's candidates, each with the bits of its scores."""
    scores = [candidates.scores[name][user] for name in sorted(candidates.scores)]
    rows = candidates.rows[user].tolist()
    return [(row, [own[at].tobytes() for own in scores]) for at, row in enumerate(rows) if row >= 0]
