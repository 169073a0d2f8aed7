"""What every candidate source promises. A source that you add gets an entry in SOURCES."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples

from streams.recommend.base import Candidates, CandidateSource
from streams.recommend.content import ContentSource
from tests.contracts.test_recommender_contract import CASES, asked, make_catalog, only

# The content source twice: chunks and tiles of a few users and items must not change its candidates.
SOURCES: dict[str, CandidateSource] = {"content": ContentSource(), "content in pieces": ContentSource(2, 7)}
each = pytest.mark.parametrize("name", SOURCES)


@each
@given(case=CASES)
@examples(max_examples=60)
def test_candidates_are_live_items_that_are_not_excluded_each_once(
    name: str, case: tuple[int, int, int, int]
) -> None:
    items, users, k, seed = case
    hidden = {row for row in range(items) if row % 5 == 0}
    queries = asked(users, items, seed)
    found = SOURCES[name].candidates(make_catalog(items, hidden), queries, k)
    assert found.rows.dtype == np.int32
    assert all(scores.shape == found.rows.shape for scores in found.scores.values())
    for user, rows in enumerate(found.rows.tolist()):
        own = [row for row in rows if row >= 0]
        assert rows[len(own) :] == [-1] * (len(rows) - len(own))
        assert len(set(own)) == len(own)
        assert set(own) <= set(range(items)) - hidden - set(queries.exclude[user])


@each
@given(case=CASES)
@examples(max_examples=60)
def test_a_users_candidates_depend_on_the_users_query_alone(
    name: str, case: tuple[int, int, int, int]
) -> None:
    items, users, k, seed = case
    catalog, queries = make_catalog(items), asked(users, items, seed)
    together = SOURCES[name].candidates(catalog, queries, k)
    for user in range(users):
        alone = SOURCES[name].candidates(catalog, only(queries, [user]), k)
        assert scored(alone, 0) == scored(together, user)


def scored(candidates: Candidates, user: int) -> list[tuple[int, list[bytes]]]:
    """A user's candidates, each with the bits of its scores."""
    scores = [candidates.scores[name][user] for name in sorted(candidates.scores)]
    rows = candidates.rows[user].tolist()
    return [(row, [own[at].tobytes() for own in scores]) for at, row in enumerate(rows) if row >= 0]
