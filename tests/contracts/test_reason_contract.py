"""What every reason promises: of each recommender's terms there is a sentence in each language, and a path that holds.

It runs over all that is registered, with what was learned of items where a recommender reads it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples

from streams.recommend import RECOMMENDERS, Queries, Recommender
from streams.recommend.abilities import UsesItems
from streams.recommend.learned.columns import Columns
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.reasons import names
from streams.recommend.learned.sources import FEATURES
from streams.recommend.why.paths import FINDERS, NO_EVENT, FindsPaths
from streams.recommend.why.sentences import CHINESE, ENGLISH, EVENT, ITEM, LANGUAGES, OTHER, sentence
from streams.settings.settings import Settings
from tests.contracts.test_candidate_source_contract import learned, remembered
from tests.contracts.test_recommender_contract import CASES, DIM, make_catalog

LEARNERS = ("linear", "mlp")
# Each recommender, and each ranker of those that have several.
MADE = [(name, ranker) for name in sorted(RECOMMENDERS) for ranker in LEARNERS]
TERMS = {*names(LinearRanker(Columns(FEATURES))), *names(MlpRanker(Columns(FEATURES)))}
each = pytest.mark.parametrize(("name", "ranker"), MADE)
Case = tuple[int, int, int, int]


def make(name: str, ranker: str) -> Recommender:
    made: Recommender = RECOMMENDERS.build(name, Settings(dimensions=DIM, ranker=ranker))
    return made


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("term", sorted({EVENT, *TERMS, *FINDERS}))
def test_each_term_has_a_sentence_in_each_language(term: str, language: str) -> None:
    templates = LANGUAGES[language]
    for title in ("", "Red mug"):
        text = sentence(templates, term, "", title)
        assert text
        assert text != templates[OTHER]
        assert ITEM not in text


def test_the_languages_say_the_same() -> None:
    assert ENGLISH.keys() == CHINESE.keys()
    assert {key for key, text in ENGLISH.items() if ITEM in text} == {
        key for key, text in CHINESE.items() if ITEM in text
    }


@each
@given(case=CASES)
@examples(max_examples=30, deadline=None)
def test_terms_add_up_and_paths_begin_at_events_that_are_there(name: str, ranker: str, case: Case) -> None:
    items, users, k, seed = case
    catalog, queries, recommender = make_catalog(items), remembered(users, items, seed), make(name, ranker)
    if isinstance(recommender, UsesItems):
        recommender.use_items(learned(catalog, seed))
    ranked = recommender.recommend(catalog, queries, k, reasons=16)
    why, events = ranked.reasons, queries.history_rows.shape[1]
    np.testing.assert_allclose(why.contributions.sum(axis=2) + why.rest, ranked.scores, atol=1e-4)
    assert set(why.features) <= {*TERMS, *ENGLISH}
    if why.features:  # all terms are named, so nothing remains
        np.testing.assert_allclose(why.rest, 0, atol=1e-3)
    if not isinstance(recommender, FindsPaths):
        return
    for user in range(users):
        rows = ranked.rows[user][ranked.rows[user] >= 0]
        for feature in why.features:
            paths = recommender.paths(catalog, queries, user, rows, feature)
            assert len(paths) == len(rows)
            for path in paths:
                assert path is None or 0 < path.share <= 1
                assert path is None or path.event == NO_EVENT or 0 <= path.event < events
                assert path is None or path.event == NO_EVENT or queries.history_rows[user, path.event] >= 0


def test_what_a_source_has_scored_above_nothing_has_a_path() -> None:
    """Of each item that neighbours, sessions or own uses speak for, the path says which event it was."""
    catalog, queries = make_catalog(40), remembered(6, 40, 3)
    recommender = make("hybrid", "linear")
    assert isinstance(recommender, UsesItems)
    assert isinstance(recommender, FindsPaths)
    recommender.use_items(learned(catalog, 3))
    queries = replace(queries, exclude=[[]] * 6, history_weights=np.ones((6, 3), dtype=np.float32))
    pools = recommender._found(catalog, queries, 10)  # type: ignore[attr-defined]
    features = [feature.group for feature in FEATURES]
    for group in ("neighbours", "sessions", "own", "popularity"):
        own = [place for place, feature in enumerate(features) if feature == group]
        found = 0
        for user, pool in enumerate(pools):
            said = np.nan_to_num(pool.scores[own]).max(axis=0)
            paths = recommender.paths(catalog, queries, user, pool.rows, group)
            known = [path is not None for path in paths]
            assert known == (said > 0).tolist(), group
            found += sum(known)
        assert found > 0, group


def test_a_path_leads_through_the_neighbours_of_its_event() -> None:
    catalog, queries = make_catalog(40), remembered(6, 40, 3)
    table = learned(catalog, 3)
    recommender = make("hybrid", "linear")
    assert isinstance(recommender, UsesItems)
    assert isinstance(recommender, FindsPaths)
    recommender.use_items(table)
    seen = 0
    for user in range(6):
        rows = np.arange(40, dtype=np.int32)
        for row, path in zip(
            rows, recommender.paths(catalog, queries, user, rows, "neighbours"), strict=True
        ):
            if path is None:
                continue
            item = queries.history_rows[user, path.event]
            which = ("lasting", "recent").index(path.which)
            assert row in table.neighbours[item, which]
            seen += 1
    assert seen > 20


def empty() -> Queries:
    return Queries.single(
        np.zeros((1, DIM), np.float32),
        [()],
        np.full((1, 3), -1, np.int32),
        np.zeros((1, 3), np.float32),
    )


def test_who_did_nothing_yet_is_told_no_path() -> None:
    catalog = make_catalog(30)
    recommender = make("hybrid", "linear")
    assert isinstance(recommender, UsesItems)
    assert isinstance(recommender, FindsPaths)
    recommender.use_items(learned(catalog, 3))
    rows = np.arange(30, dtype=np.int32)
    for feature in ("neighbours", "sessions", "own"):
        assert recommender.paths(catalog, empty(), 0, rows, feature) == [None] * 30
