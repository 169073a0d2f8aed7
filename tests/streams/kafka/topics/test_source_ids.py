"""When a source is another topic than before, and what a commit says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.topics.committed import Committed
from streams.kafka.topics.ids import MISSING_LOOKS, SourceChangedError, WatchedTopics, require_forward
from streams.state.removed import book
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from tests.streams.flows import make_flow


def watched() -> WatchedTopics:
    found = WatchedTopics("events")
    found.look({"events": "e1", "raw": "r1"})
    return found


def test_the_same_ids_and_a_new_topic_are_nothing_to_tell() -> None:
    found = watched()
    found.look({"events": "e1", "raw": "r1", "more": "m1"})
    assert found.ids == {"events": "e1", "raw": "r1", "more": "m1"}


@pytest.mark.parametrize(
    ("topic", "advice"), [("raw", "start the worker again"), ("events", "raise INTERESTFLOW_GENERATION")]
)
def test_a_topic_that_was_made_anew_is_named_with_what_to_do(topic: str, advice: str) -> None:
    with pytest.raises(SourceChangedError, match=f"{topic} was made anew while it was read: .*{advice}"):
        watched().look({"events": "e1", "raw": "r1", topic: "x2"})


def test_a_topic_is_deleted_only_once_it_was_missing_for_some_looks_in_a_row() -> None:
    found = watched()
    for _ in range(MISSING_LOOKS - 1):
        found.look({"events": "e1", "raw": ""})
    found.look({"events": "e1", "raw": "r1"})
    for _ in range(MISSING_LOOKS - 1):
        found.look({"events": "e1"})
    with pytest.raises(SourceChangedError, match="raw was deleted"):
        found.look({"events": "e1"})


def test_a_partition_may_go_on_at_a_higher_offset_and_not_at_a_lower_one() -> None:
    require_forward("raw", 0, 5, 9, "events")
    with pytest.raises(SourceChangedError, match="raw-0 was read up to offset 9 and now ends before it"):
        require_forward("raw", 0, 9, 0, "events")


@pytest.mark.parametrize(
    ("said", "now", "speaks"), [("a", "a", True), ("a", "b", False), ("", "b", True), ("a", "", True)]
)
def test_a_commit_speaks_of_the_topic_whose_id_it_names_or_of_any(said: str, now: str, speaks: bool) -> None:
    assert Committed(5, said).speaks_of(now) is speaks


@given(processed_offset=st.integers(-1, 50), ends=st.lists(st.integers(0, 60), max_size=5))
def test_offsets_that_are_gone_are_booked_once_and_never_those_that_were_read(
    processed_offset: int, ends: list[int]
) -> None:
    layout: UserLayout = make_flow().layout
    part = UserPartition(0, layout, capacity=1)
    part.processed_offset = processed_offset
    for end in ends:
        book(part, end)
    assert part.books["removed"] == max(0, max(ends, default=0) - (processed_offset + 1))
    assert part.processed_offset == max([processed_offset, *(end - 1 for end in ends)])
