"""The books of a deployment: what balances, what does not, and what a person is told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from streams.audit import Books, _balance, show

# 10 records of two topics came in; 3 were refused, one of them for lack of a user; 7 events were read.
OUTCOMES = {"applied": 3, "late": 1, "duplicate": 1, "neutral": 1, "waiting": 0, "dropped": 0}


def books(**changes: Any) -> Books:
    """Books that balance, but for the changes."""
    right: dict[str, Any] = {
        "sources": {"clicks": 8, "orders": 2},
        "canonical": 8,
        "without_user": 1,
        "rejected": {"not_json": 2},
        "read": 7,
        "unread": 1,
        "outcomes": dict(OUTCOMES),
        "rejected_update": 1,
        "users": 5,
    }
    return Books(**{**right, **changes})


def balanced(found: Books, ingested: Any = None, refused: Any = None) -> Books:
    _balance(
        found,
        Counter({"clicks": 6, "orders": 1} if ingested is None else ingested),
        Counter({"clicks": 2, "orders": 1} if refused is None else refused),
    )
    return found


def test_books_in_which_every_record_has_one_outcome_balance() -> None:
    found = balanced(books())
    assert found.balanced
    assert show(found, as_json=False).endswith("the books balance")


@pytest.mark.parametrize(
    ("ingested", "refused", "topic"),
    [
        ({"clicks": 5, "orders": 1}, None, "clicks"),
        ({"clicks": 6, "orders": 2}, None, "orders"),
        (None, {"clicks": 2}, "orders"),
    ],
    ids=["lost", "made up", "neither"],
)
def test_a_record_that_became_nothing_or_two_things_is_told_by_its_topic(
    ingested: Any, refused: Any, topic: str
) -> None:
    found = balanced(books(), ingested, refused)
    assert not found.balanced
    (problem,) = found.problems
    assert problem.startswith(f"{topic}: ")


@pytest.mark.parametrize(
    "change",
    [{"outcomes": {**OUTCOMES, "applied": 2}}, {"outcomes": {**OUTCOMES, "late": 2}}, {"rejected_update": 0}],
)
def test_an_event_without_an_outcome_or_with_two_is_told(change: Any) -> None:
    (problem,) = balanced(books(**change)).problems
    assert "update read 7 events" in problem


@pytest.mark.parametrize("change", [{"unread": 0}, {"canonical": 9}])
def test_a_canonical_event_that_nobody_read_is_told(change: Any) -> None:
    (problem,) = balanced(books(**change)).problems
    assert "canonical events, but 7 read" in problem


def test_all_problems_are_told_at_once() -> None:
    found = balanced(books(read=5), {}, {})
    assert len(found.problems) == 4
    assert show(found, as_json=False).splitlines()[-4:] == found.problems


def test_a_person_sees_every_count() -> None:
    lines = show(balanced(books(canonical_repeats=1_234)), as_json=False).splitlines()
    told = {" ".join(line.split()) for line in lines}
    assert {"clicks 8", "in the topic 8", "without user 1", "rejected: not_json 2", "read 7"} <= told
    assert {
        "applied 3",
        "late 1",
        "rejected update 1",
        "unread 1",
        "users 5",
        "canonical repeats 1,234",
    } <= told


def test_a_program_sees_one_json_object() -> None:
    found = orjson.loads(show(balanced(books(unread=0)), as_json=True))
    assert (found["sources"], found["balanced"]) == ({"clicks": 8, "orders": 2}, False)
    assert found["outcomes"] == OUTCOMES
    assert len(found["problems"]) == 1
