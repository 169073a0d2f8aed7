"""The canonical topic against the progress records: exact where nothing was removed, true where something was."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.books.events import (
    MOST_WORDS,
    Actions,
    CanonicalPartition,
    balance_events,
    enter_progress,
)
from streams.history.books.ledger import Books
from streams.settings.action_rules import DEFAULT_ACTIONS
from streams.state.changelog import NOTHING, Progress, TopicIdentity


def progress(offset: int, **counts: int) -> Progress:
    counts = {name.replace("__", "."): count for name, count in counts.items()}
    return Progress(offset, 0, 1, -1, NOTHING, NOTHING, "l", TopicIdentity("events", 1), counts)


def balanced(found: CanonicalPartition, known: Progress | None, compacted: bool = False) -> Books:
    books = Books()
    balance_events("events", {0: found}, {} if known is None else {0: known}, compacted, books)
    return books


def test_outcomes_of_all_partitions_are_summed_and_each_event_has_one() -> None:
    books = Books()
    progress_by_partition = {
        0: progress(9, read=5, applied=3, repeat=1, rejected__not_json=1, removed=7),
        1: progress(1, read=2, late=2),
    }
    enter_progress(progress_by_partition, books)
    assert (books.read, books.rejected_update, books.problems) == (7, 1, [])
    assert {name: count for name, count in books.outcomes.items() if count} == {
        "applied": 3, "late": 2, "repeat": 1,
    }  # fmt: skip
    enter_progress({0: progress(9, read=5, applied=4)}, books := Books())
    assert books.problems == ["update read 5 events, but 4 have an outcome"]


def test_an_outcome_of_a_later_version_is_one() -> None:
    enter_progress({0: progress(9, read=5, applied=4, parked=1)}, books := Books())
    assert (books.problems, books.outcomes["parked"]) == ([], 1)


@pytest.mark.parametrize(
    ("begin", "covered", "read", "removed", "right"),
    [
        (0, 5, 5, 0, True),
        (0, 5, 4, 0, False),
        (0, 4, 5, 0, False),
        (10, 5, 15, 0, True),  # all that was removed had been read
        (10, 5, 8, 0, True),  # some of the removed offsets were control records
        (10, 5, 16, 0, False),
        (10, 5, 4, 0, False),
        (10, 5, 12, 3, True),
        (10, 5, 13, 3, False),  # what was removed unread cannot have been read
        (10, 5, 5, 10, True),
    ],
)
def test_what_was_read_is_there_or_was_removed(
    begin: int, covered: int, read: int, removed: int, right: bool
) -> None:
    found = balanced(CanonicalPartition(begin, covered, 2), progress(99, read=read, removed=removed))
    assert (found.balanced, found.unread) == (right, 2)
    assert [one["offsets"] for one in found.removed] == ([removed] if removed else [])


def test_a_topic_that_is_compacted_may_hold_less_than_was_read_but_no_more() -> None:
    assert balanced(CanonicalPartition(0, 4), progress(99, read=9), compacted=True).balanced
    assert not balanced(CanonicalPartition(0, 10), progress(99, read=9), compacted=True).balanced


def test_what_nobody_has_come_to_yet_is_unread_and_what_was_removed_before_is_told() -> None:
    assert balanced(CanonicalPartition(0, 0, 7), None).unread == 7
    found = balanced(CanonicalPartition(50, 0, 7), progress(9, read=10))
    assert (found.balanced, found.removed) == (
        True, [{"topic": "events", "partition": 0, "offsets": 40}],
    )  # fmt: skip


@given(
    st.lists(st.sampled_from(["event", "control"]), max_size=30),
    st.integers(-1, 30),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_history_balances_wherever_retention_cut_it(
    log: list[str], offset: int, reset: int, begin: int
) -> None:
    """A worker that read all, but for what was removed below `reset` before it began; retention up to `begin`."""
    offset, begin = min(offset, len(log) - 1), min(max(begin, reset), len(log))
    reset = min(reset, offset + 1)
    there = [n for n, kind in enumerate(log) if kind == "event" and n >= begin]
    read = sum(kind == "event" and reset <= n <= offset for n, kind in enumerate(log))
    known = progress(offset, read=read, removed=reset)
    covered = sum(n <= offset for n in there)
    found = balanced(CanonicalPartition(begin, covered, len(there) - covered), known)
    assert found.problems == []
    if begin == reset and covered:  # nothing that was read is gone, so one event less is one too few
        lost = balanced(CanonicalPartition(begin, covered - 1), known)
        assert not lost.balanced


# --- actions without a rule ---------------------------------------------------------------------------------------


def test_actions_without_a_rule_are_counted_by_word_the_most_frequent_first() -> None:
    actions, books = Actions({"click"}), Books()
    for word in ["click", "wishlist", "zoom", "wishlist", "x" * 100]:
        actions.add(orjson.dumps({"action": word, "user_id": "u"}))
    for value in (None, b"", b"{", b"[]", b'{"action": 5}', b"\xff", b'{"action": ""}', b"{}"):
        actions.add(value)
    actions.enter(books)
    assert list(books.actions_without_rule.items()) == [("wishlist", 2), ("zoom", 1), ("x" * 64, 1)]
    assert books.actions_without_rule_other == 0


def test_ever_new_words_take_no_memory_but_are_counted() -> None:
    actions, books = Actions(()), Books()
    for n in range(MOST_WORDS + 7):
        actions.add(b'{"action": "a%d"}' % n)
    actions.enter(books)
    assert sum(books.actions_without_rule.values()) + books.actions_without_rule_other == MOST_WORDS + 7
    assert len(books.actions_without_rule) == 20


@pytest.mark.parametrize("action", ["purchased", "bought", "remove_from_cart", "Add To Cart", "Purchase"])
def test_another_spelling_or_a_synonym_of_an_action_with_a_rule_is_not_listed(action: str) -> None:
    actions, books = Actions(DEFAULT_ACTIONS), Books()
    actions.add(orjson.dumps({"action": action}))
    actions.enter(books)
    assert books.actions_without_rule == {}


def test_spellings_of_one_action_without_a_rule_are_listed_as_one() -> None:
    actions, books = Actions(DEFAULT_ACTIONS), Books()
    for action in ("Zoom In", "zoom_in", "ZoomIn"):
        actions.add(orjson.dumps({"action": action}))
    actions.enter(books)
    assert books.actions_without_rule == {"zoom_in": 3}
