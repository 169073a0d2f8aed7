"""The books of a deployment, as a person and a program see them."""

from __future__ import annotations

from typing import Any

import orjson

from streams.history.audit import OUTCOMES, Books, show

SHOWN: dict[str, Any] = {
    "sources": {"clicks": 8, "orders": 2},
    "not_ingested": {"orders": 3},
    "gaps": [{"topic": "clicks", "partition": 1, "records": 4, "ranges": [[7, 10]]}],
    "removed": [{"topic": "events", "partition": 0, "offsets": 3047}],
    "canonical": 8,
    "canonical_repeats": 1234,
    "repeats": {"clicks": 1234},
    "rejected": {"not_json": 2},
    "without_user": 1,
    "read": 7,
    "unread": 1,
    "outcomes": {**dict.fromkeys(OUTCOMES, 0), "applied": 3, "repeat": 2, "late": 1},
    "rejected_update": 1,
    "users": 5,
    "actions_without_rule": {"wish list": 6},
    "actions_without_rule_other": 2,
    "items": {"read": 9, "encoded": 8, "removed_unknown": 1},
    "items_refused": {"not_utf8": 4},
}


def told(books: Books) -> list[str]:
    return [" ".join(line.split()) for line in show(books, as_json=False).splitlines()]


def test_books_without_a_problem_balance() -> None:
    assert Books().balanced
    assert told(Books())[-1] == "the books balance"


def test_all_problems_and_notes_are_told_at_the_end() -> None:
    found = Books(problems=["clicks-0: lost", "more"], notes=["not looked at"])
    assert not found.balanced
    assert told(found)[-3:] == ["not looked at", "clicks-0: lost", "more"]


def test_a_person_sees_every_count_by_name() -> None:
    lines = set(told(Books(**SHOWN)))
    assert {"clicks 8", "orders 2", "not ingested yet: orders 3", "gap: clicks-1 4"} <= lines
    assert {
        "removed before they were read: events-0 3,047",
        "in the topic 8",
        "rejected: not_json 2",
    } <= lines
    assert {"canonical repeats 1,234", "written again: clicks 1,234", "without user 1", "read 7"} <= lines
    assert {"applied 3", "late 1", "repeat 2", "rejected update 1", "unread 1", "users 5"} <= lines
    assert {"encoded 8", "removed unknown 1", "refused: not_utf8 4"} <= lines


def test_an_action_without_a_rule_is_told_with_the_setting_that_gives_it_a_weight() -> None:
    lines = told(Books(**SHOWN))
    assert {'"wish list" 6', "other words 2"} <= set(lines)
    (example,) = [line for line in lines if line.startswith("for example")]
    assert example == 'for example: INTERESTFLOW_ACTIONS=\'{"wish list":{"weight":1}}\''
    assert not any("INTERESTFLOW_ACTIONS" in line for line in told(Books()))


def test_a_word_that_would_move_the_cursor_is_shown_harmless() -> None:
    assert "\x1b" not in show(Books(actions_without_rule={"\x1b[2J": 1}), as_json=False)


def test_a_program_sees_one_json_object() -> None:
    found = orjson.loads(show(Books(**SHOWN, problems=["lost"]), as_json=True))
    assert {name: found[name] for name in SHOWN} == SHOWN
    assert (found["balanced"], found["problems"]) == (False, ["lost"])
