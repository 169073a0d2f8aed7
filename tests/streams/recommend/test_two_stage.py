"""Two halves of a recommender: what several sources find is ranked once, and terms add up to scores, whoever ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.rendering import Quoted, ranked_items
from streams.recommend import Catalog, ContentRecommender, Queries, Ranked, Reasons
from streams.recommend.base import Candidates
from streams.recommend.content import ContentSource
from streams.recommend.content_ranker import ContentRanker, best_first
from streams.recommend.two_stage import TwoStageRecommender, merged
from tests.streams.flows import apply, make_flow, record

EVENTS = 4


@dataclass(frozen=True)
class FirstItems:
    """The first items of the catalog."""

    most: int

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        rows = np.full((len(queries), self.most), -1, dtype=np.int32)
        for user, excluded in enumerate(queries.exclude):
            live = [row for row in np.flatnonzero(catalog.live).tolist() if row not in excluded][: self.most]
            rows[user, : len(live)] = live
        return Candidates(
            rows,
            {"popularity": np.where(rows < 0, np.nan, 1.0 / (1 + np.maximum(rows, 0))).astype(np.float32)},
        )


@dataclass(frozen=True)
class Blend:
    """Content and popularity, which is a term of its own."""

    def rank(
        self, catalog: Catalog, queries: Queries, candidates: Candidates, k: int, reasons: int
    ) -> Ranked:
        every = max(k, candidates.rows.shape[1])
        content = ContentRanker().rank(catalog, queries, candidates, every, EVENTS)
        popularity = np.where(content.rows < 0, 0, 1.0 / (1 + np.maximum(content.rows, 0))).astype(np.float32)
        rows, scores = best_first(content.rows, content.scores + popularity, k)
        place = [
            [own.index(row) if row >= 0 else 0 for row in best]
            for own, best in zip(content.rows.tolist(), rows.tolist(), strict=True)
        ]
        chosen = np.array(place, dtype=np.int64).reshape(*rows.shape, 1)
        found = rows >= 0
        feature = np.where(found, EVENTS, -1).astype(np.int32)[:, :, None]
        share = np.where(found, 1.0 / (1 + np.maximum(rows, 0)), 0).astype(np.float32)[:, :, None]
        events = np.take_along_axis(content.reasons.index, chosen, axis=1)[:, :, : reasons - 1]
        parts = np.take_along_axis(content.reasons.contributions, chosen, axis=1)[:, :, : reasons - 1]
        events, parts = np.where(found[:, :, None], events, -1), np.where(found[:, :, None], parts, 0)
        index = np.concatenate((feature, events), axis=2)
        contributions = np.concatenate((share, parts), axis=2)
        named = Reasons(index, contributions, scores - contributions.sum(axis=2), ("popularity",))
        return Ranked(rows, scores, named)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Catalog, Queries, int, int]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, users, number = draw(st.integers(1, 50)), draw(st.integers(0, 6)), draw(st.integers(1, 3))
    catalog = Catalog(8)
    for row in range(items):
        catalog.put(f"i{row}", generator.standard_normal(8).astype(np.float32), hidden=row % 7 == 3)
    history = generator.integers(-1, items, (users, EVENTS)).astype(np.int32)
    coefficients = generator.standard_normal((users, number, EVENTS)).astype(np.float32)
    known = np.where(history[:, None] >= 0, coefficients, 0)
    vectors = (known[..., None] * catalog.vectors[np.maximum(history, 0)][:, None]).sum(axis=2)
    vectors = (vectors + generator.standard_normal(vectors.shape)).astype(np.float32)
    shares = generator.random((users, number)).astype(np.float32)
    exclude = [set(generator.integers(0, items, 4).tolist()) for _ in range(users)]
    asked = Queries(vectors, shares, exclude, history, coefficients)
    return catalog, asked, draw(st.integers(1, 12)), draw(st.integers(1, EVENTS))


@pytest.mark.parametrize(
    "recommender",
    [
        ContentRecommender(),
        TwoStageRecommender((FirstItems(5),), ContentRanker()),
        TwoStageRecommender((ContentSource(), FirstItems(9)), Blend()),
    ],
    ids=["content", "scores computed by the ranker", "blend"],
)
@given(case=cases())
@settings(max_examples=60)
def test_terms_add_up_to_the_score_whoever_ranks(
    recommender: TwoStageRecommender, case: tuple[Catalog, Queries, int, int]
) -> None:
    catalog, asked, k, top = case
    ranked = recommender.recommend(catalog, asked, k, top)
    reasons = ranked.reasons
    assert ranked.rows.shape == ranked.scores.shape == (len(asked), k)
    assert reasons.index.shape == reasons.contributions.shape == (len(asked), k, top)
    np.testing.assert_allclose(reasons.contributions.sum(axis=2) + reasons.rest, ranked.scores, atol=1e-5)
    assert (reasons.contributions[reasons.index < 0] == 0).all()
    assert (reasons.index < EVENTS + len(reasons.features)).all()
    assert (np.diff(ranked.scores)[ranked.rows[:, 1:] >= 0] <= 0).all()
    events = [[f'{{"event":{event},"contribution":' for event in range(EVENTS)] for _ in range(len(asked))]
    ids = catalog.item_ids
    for user, items in enumerate(orjson.loads(text) for text in ranked_items(ids, ranked, events, Quoted())):
        assert [item["item_id"] for item in items] == [ids[row] for row in ranked.rows[user] if row >= 0]
        for item in items:
            total = sum(reason["contribution"] for reason in item["reasons"]) + item["other"]
            assert total == pytest.approx(item["score"], abs=1e-9)


@given(case=cases(), most=st.integers(0, 12))
@settings(max_examples=60)
def test_a_source_beside_the_exact_one_does_not_change_the_ranking(
    case: tuple[Catalog, Queries, int, int], most: int
) -> None:
    """Its items are scored by the ranker, to the bit as the exact source does."""
    catalog, asked, k, top = case
    alone = ContentRecommender().recommend(catalog, asked, k, top)
    both = TwoStageRecommender((FirstItems(most), ContentSource()), ContentRanker()).recommend(
        catalog, asked, k, top
    )
    np.testing.assert_array_equal(both.rows, alone.rows)
    np.testing.assert_array_equal(both.scores, alone.scores)


@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 9), unique=True, max_size=6), min_size=2, max_size=2), min_size=1
    )
)
def test_what_several_sources_find_is_a_candidate_once_with_all_its_scores(
    found: list[list[list[int]]],
) -> None:
    """found: by source, the items of two users."""
    sources = []
    for number, users in enumerate(found):
        rows = np.full((2, max(map(len, users))), -1, dtype=np.int32)
        for user, own in enumerate(users):
            rows[user, : len(own)] = own
        sources.append(
            Candidates(rows, {f"s{number}": np.where(rows < 0, np.nan, rows + number).astype(np.float32)})
        )
    together = merged(sources)
    for user in range(2):
        wanted = sorted({row for users in found for row in users[user]})
        rows = together.rows[user]
        assert rows[: len(wanted)].tolist() == wanted
        assert (rows[len(wanted) :] == -1).all()
        for number, users in enumerate(found):
            scores = dict(zip(rows.tolist(), together.scores[f"s{number}"][user].tolist(), strict=True))
            assert {row: scores[row] for row in users[user]} == {row: row + number for row in users[user]}
            assert all(np.isnan(scores[row]) for row in wanted if row not in users[user])


def test_a_feature_is_published_as_a_reason_beside_events() -> None:
    flow = make_flow(exclude_consumed=False, history_length=EVENTS)
    flow.recommender = TwoStageRecommender((ContentSource(), FirstItems(8)), Blend())
    apply(flow, [record(0, item="i2", action="like"), record(1, item="i5")])
    ((_, value),) = flow.recommend(0, np.array([0]))
    items = orjson.loads(value)["items"]
    assert len(items) == 8
    for item in items:
        first, *events = item["reasons"]
        popularity = 1 / (1 + int(item["item_id"][1:]))
        assert first == {"feature": "popularity", "contribution": pytest.approx(popularity, abs=1e-6)}
        assert {reason["item_id"] for reason in events} <= {"i2", "i5"}
        total = first["contribution"] + sum(reason["contribution"] for reason in events) + item["other"]
        assert total == pytest.approx(item["score"], abs=1e-9)
