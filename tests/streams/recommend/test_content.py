"""The content ranking is the full sort, bit for bit, whatever the batch and the chunking."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.recommend import Catalog, ContentRecommender, Queries, Ranked, Reasons


def make_catalog(vectors: np.ndarray, hidden: Collection[int] = (), removed: Collection[int] = ()) -> Catalog:
    catalog = Catalog(vectors.shape[1], capacity=4)
    for row, vector in enumerate(vectors):
        catalog.put(f"item-{row}", vector, hidden=row in hidden)
    for row in removed:
        catalog.remove(f"item-{row}")
    return catalog


def queries(vectors: np.ndarray, exclude: Sequence[Collection[int]] | None = None) -> Queries:
    users = len(vectors)
    return Queries.single(
        vectors,
        [()] * users if exclude is None else exclude,
        np.zeros((users, 0), dtype=np.int32),
        np.zeros((users, 0), dtype=np.float32),
    )


def ranking(rows: np.ndarray, scores: np.ndarray) -> Ranked:
    return Ranked(rows, scores, Reasons.none(scores))


def folded(terms: np.ndarray) -> np.ndarray:
    """The fixed order of additions, written down once more and without blocks: halves onto halves."""
    while terms.shape[1] > 1:
        half = -(-terms.shape[1] // 2)
        upper = np.zeros((len(terms), half), dtype=np.float32)
        upper[:, : terms.shape[1] - half] = terms[:, half:]
        terms = terms[:, :half] + upper
    return terms[:, 0] + np.float32(0)


def full_sort(catalog: Catalog, asked: Queries, k: int) -> Ranked:
    """The definition: score every allowed item, sort by (-score, row), cut."""
    rows = np.full((len(asked), k), -1, dtype=np.int32)
    scores = np.zeros((len(asked), k), dtype=np.float32)
    for user, query in enumerate(asked.vectors[:, 0]):
        allowed = [r for r in np.flatnonzero(catalog.live) if r not in asked.exclude[user]]
        if not allowed:
            continue
        every = folded(catalog.vectors[allowed] * query)
        best = sorted(zip(-every, allowed, strict=True))[:k]
        rows[user, : len(best)] = [row for _, row in best]
        scores[user, : len(best)] = [-score for score, _ in best]
    return ranking(rows, scores)


def assert_same(one: Ranked, other: Ranked) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert (one.rows.dtype, one.scores.dtype) == (np.int32, np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Catalog, Queries, int]:
    """Catalogs of all kinds: coarse values make ties, near-copies make scores one bit apart."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, users = draw(st.integers(0, 400)), draw(st.integers(0, 9))
    dim, k = draw(st.integers(1, 40)), draw(st.integers(1, 30))
    kind = draw(st.sampled_from(["random", "coarse", "copies", "near copies", "huge", "tiny"]))
    vectors = generator.standard_normal((items, dim)).astype(np.float32)
    wanted = generator.standard_normal((users, dim)).astype(np.float32)
    if kind == "coarse":
        vectors, wanted = vectors.round(), wanted.round()
    elif "copies" in kind and items:
        vectors = vectors[generator.integers(0, max(1, items // 20), items)]
        if kind == "near copies":
            vectors = unit(vectors) + np.float32(1e-7) * generator.integers(-1, 2, (items, dim))
    elif kind == "huge":
        vectors, wanted = vectors * np.float32(1e13), wanted * np.float32(1e13)
    elif kind == "tiny":
        vectors, wanted = vectors * np.float32(1e-25), wanted * np.float32(1e-18)
    wanted[generator.random(users) < 0.2] = 0
    shares = draw(st.tuples(*[st.sampled_from([0.0, 0.1, 0.97, 1.0])] * 3))
    hidden, removed = (set(np.flatnonzero(generator.random(items) < s).tolist()) for s in shares[:2])
    exclude = [set(np.flatnonzero(generator.random(items) < shares[2]).tolist()) for _ in range(users)]
    return make_catalog(vectors.astype(np.float32), hidden, removed), queries(wanted, exclude), k


@given(cases(), st.integers(1, 5), st.integers(1, 500))
@settings(max_examples=300)
def test_it_is_the_full_sort(case: tuple[Catalog, Queries, int], chunk: int, tile: int) -> None:
    catalog, asked, k = case
    expected = full_sort(catalog, asked, k)
    assert_same(ContentRecommender().recommend(catalog, asked, k), expected)
    assert_same(ContentRecommender(chunk, tile).recommend(catalog, asked, k), expected)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 39), min_size=1, max_size=70))
@settings(max_examples=40)
def test_an_answer_does_not_depend_on_who_else_is_asked(seed: int, members: list[int]) -> None:
    generator = np.random.default_rng(seed)
    catalog = make_catalog(unit(generator.standard_normal((1500, 128))))
    everyone = unit(generator.standard_normal((40, 128)))
    exclude = [set(generator.integers(0, 1500, 30).tolist()) for _ in range(40)]
    whole = ContentRecommender().recommend(catalog, queries(everyone, exclude), 20)
    some = ContentRecommender().recommend(
        catalog, queries(everyone[members], [exclude[m] for m in members]), 20
    )
    assert_same(some, ranking(whole.rows[members], whole.scores[members]))


def test_it_is_the_full_sort_of_a_large_catalog_in_tiles() -> None:
    generator = np.random.default_rng(5)
    catalog = make_catalog(unit(generator.standard_normal((20_000, 24))), hidden=range(0, 20_000, 7))
    asked = queries(unit(generator.standard_normal((70, 24))), [list(range(u, 20_000, 9)) for u in range(70)])
    first = queries(asked.vectors[:3, 0], asked.exclude[:3])
    ranked = ContentRecommender().recommend(catalog, asked, 20)
    assert_same(ranking(ranked.rows[:3], ranked.scores[:3]), full_sort(catalog, first, 20))
    assert_same(ContentRecommender(8, 3000).recommend(catalog, asked, 20), ranked)


def test_thousands_of_equal_items_rank_by_row() -> None:
    vectors = np.tile(unit(np.arange(1.0, 9.0)[None]), (9000, 1))
    asked = queries(np.array([vectors[0], -vectors[0]]), [range(5), ()])
    ranked = ContentRecommender(items_per_tile=4000).recommend(make_catalog(vectors), asked, 4)
    assert ranked.rows.tolist() == [[5, 6, 7, 8], [0, 1, 2, 3]]
    assert ranked.scores[0].tolist() == pytest.approx([1.0] * 4)


def test_a_zero_query_ranks_by_row_with_score_zero() -> None:
    generator = np.random.default_rng(1)
    catalog = make_catalog(unit(generator.standard_normal((5000, 8))), hidden={1})
    asked = queries(np.zeros((2, 8), dtype=np.float32), [{0, 3}, set(range(4998))])
    ranked = ContentRecommender(items_per_tile=1000).recommend(catalog, asked, 3)
    assert ranked.rows.tolist() == [[2, 4, 5], [4998, 4999, -1]]
    assert not ranked.scores.any()


def test_hidden_and_removed_items_leave_at_once_and_come_back() -> None:
    catalog = make_catalog(np.eye(3, dtype=np.float32))
    asked = queries(np.array([[3, 2, 1]], dtype=np.float32))

    def rows() -> list[int]:
        ranked: list[int] = ContentRecommender().recommend(catalog, asked, 3).rows[0].tolist()
        return ranked

    assert rows() == [0, 1, 2]
    catalog.put("item-0", np.array([1, 0, 0], dtype=np.float32), hidden=True)
    assert rows() == [1, 2, -1]
    catalog.remove("item-1")
    assert rows() == [2, -1, -1]
    catalog.put("item-1", np.array([0, 5, 0], dtype=np.float32))
    assert rows() == [1, 2, -1]


def test_nothing_to_recommend_is_an_empty_ranking_not_an_error() -> None:
    asked = queries(np.ones((2, 3), dtype=np.float32))
    empty = ContentRecommender().recommend(Catalog(3), asked, 2)
    assert empty.rows.tolist() == [[-1, -1], [-1, -1]]
    assert empty.scores.tolist() == [[0, 0], [0, 0]]
    catalog = make_catalog(np.eye(3, dtype=np.float32))
    none = ContentRecommender().recommend(catalog, queries(asked.vectors[:, 0], [[0, 1, 2], [2, 0, 1]]), 2)
    assert none.rows.tolist() == [[-1, -1], [-1, -1]]
    nobody = ContentRecommender().recommend(catalog, queries(np.zeros((0, 3), dtype=np.float32)), 2)
    assert nobody.rows.shape == nobody.scores.shape == (0, 2)


def test_wrong_questions_are_refused_with_advice() -> None:
    catalog, recommender = make_catalog(np.eye(3, dtype=np.float32)), ContentRecommender()
    good = queries(np.ones((2, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="at least 1"):
        recommender.recommend(catalog, good, 0)
    with pytest.raises(ValueError, match="4 dimensions, the catalog 3"):
        recommender.recommend(catalog, queries(np.ones((2, 4), dtype=np.float32)), 1)
    with pytest.raises(ValueError, match=r"positions \[1\].*check these users"):
        recommender.recommend(catalog, queries(np.array([[1, 1, 1], [0, np.nan, 0]], dtype=np.float32)), 1)
    for row in (-1, 3):
        with pytest.raises(ValueError, match="leave out what is unknown"):
            recommender.recommend(catalog, queries(good.vectors[:, 0], [[0], [row]]), 1)
    with pytest.raises(ValueError, match="one row per user"):
        queries(good.vectors[:, 0], [()])
    rows, three = np.zeros((2, 4), dtype=np.int32), np.zeros((2, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="one coefficient"):
        Queries.single(good.vectors[:, 0], [(), ()], rows, three)
    with pytest.raises(ValueError, match="one share"):
        Queries(good.vectors, three, [(), ()], rows, np.zeros((2, 1, 4), dtype=np.float32))


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 60), st.integers(1, 12))
@settings(max_examples=100)
def test_of_several_vectors_the_best_one_counts(seed: int, number: int, items: int, k: int) -> None:
    """Against the definition: the largest product of an item with one of the vectors times its share."""
    generator = np.random.default_rng(seed)
    catalog = make_catalog(generator.standard_normal((items, 6)).round(1).astype(np.float32), hidden={2})
    vectors = generator.standard_normal((5, number, 6)).round(1).astype(np.float32)
    vectors[generator.random((5, number)) < 0.3] = 0
    shares = generator.choice([0.0, 0.25, 1.0], (5, number)).astype(np.float32)
    drawn = generator.integers(0, max(items, 1), (5, 3)).tolist()
    exclude = [set(rows) if items else set[int]() for rows in drawn]
    none, coefficients = np.zeros((5, 0), dtype=np.int32), np.zeros((5, number, 0), dtype=np.float32)
    found = ContentRecommender(2, 7).recommend(
        catalog, Queries(vectors, shares, exclude, none, coefficients), k
    )
    for user in range(5):
        weighted = vectors[user] * shares[user][:, None]
        counted = weighted[weighted.any(axis=1)] if weighted.any() else weighted[:1]
        allowed = [row for row in np.flatnonzero(catalog.live).tolist() if row not in exclude[user]]
        every = [max(float(folded(catalog.vectors[[row]] * one)[0]) for one in counted) for row in allowed]
        best = sorted(zip([-score for score in every], allowed, strict=True))[:k]
        wanted = [row for _, row in best] + [-1] * (k - len(best))
        assert found.rows[user].tolist() == wanted
        assert found.scores[user, : len(best)].tolist() == [-score for score, _ in best]
