"""The state of a partition: what a changelog record holds is what comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.interest import DecayModel
from streams.interest.decay import HalfLife
from streams.store import WATERMARK_KEY, Layout, Newest, PartitionState, StateError, Waiting

DIM = 4


def layout(space: str = "hashing@1", dim: int = DIM) -> Layout:
    return Layout(DecayModel(dim, HalfLife(5, "events"), HalfLife(60.0)), 3, space)


def filled(users: int = 3) -> tuple[PartitionState, dict[bytes, bytes]]:
    part = PartitionState(0, layout(), capacity=1)
    rows = part.rows([f"user-{i}" for i in range(users)])
    changed = part.take(rows)
    states = part.layout.view(changed)
    states["offset"] = np.arange(users) + 10
    states["version"] = 1
    states["model"]["sums"] = np.arange(users * 2 * DIM, dtype=np.float32).reshape(users, 2, DIM)
    part.put(rows, changed)
    part.consume(0, 2**63 + 5)
    part.wait(1, Waiting(11, "item-x", 1000, b"{}"))
    part.watermark = users + 9
    part.books.update({"read": users, "applied": users})
    log = dict(part.records(rows, changed))
    key, value = part.watermark_record("events", 4)
    return part, {**log, key: value}


def restored(
    log: dict[bytes, bytes], source: str = "events", partitions: int = 4, **kw: Any
) -> PartitionState:
    newest = Newest()
    newest.add(log.items())
    part = PartitionState(0, layout(**kw))
    part.restore(newest.latest, source, partitions)
    return part


def test_a_changelog_gives_the_whole_state_back() -> None:
    part, log = filled()
    again = restored(log)
    assert again.users == part.users
    assert np.array_equal(again.arena[:3], part.arena[:3])
    assert again.consumed == part.consumed
    assert [vars_of(w) for w in again.waiting[1]] == [vars_of(w) for w in part.waiting[1]]
    assert again.waited_for == {"item-x": {1}}
    assert (again.watermark, dict(again.books)) == (part.watermark, dict(part.books))


def vars_of(waiting: Waiting) -> tuple[Any, ...]:
    return waiting.offset, waiting.item_id, waiting.recorded, waiting.event


def test_what_was_not_recommended_is_due_again() -> None:
    part, _ = filled()
    part.due = {1: 11}
    key, value = part.watermark_record("events", 4)
    log = dict(part.records(np.arange(3), part.take(np.arange(3))))
    assert set(restored({**log, key: value}).due) == {1, 2}


def test_of_two_marks_at_one_offset_the_later_counts_though_it_calls_less_recommended() -> None:
    """An event that waited is applied without a higher offset, and makes its user due again."""
    part, _ = filled()
    before = part.watermark_record("events", 4)
    part.due = {1: 5}
    part.books["applied"] += 1
    after = part.watermark_record("events", 4)
    newest = Newest()
    newest.add([after, before])
    assert newest.latest == dict([after])


def test_nothing_is_due_where_all_was_recommended() -> None:
    _, log = filled()
    assert restored(log).due == {}


@given(order=st.permutations(list(range(6))))
@settings(max_examples=50, deadline=None)
def test_the_highest_offset_wins_in_any_order(order: list[int]) -> None:
    """A paused old owner may append older state after the new owner's."""
    records = []
    for offset in range(6):
        part = PartitionState(0, layout())
        rows = part.rows(["user"])
        changed = part.take(rows)
        part.layout.view(changed)["offset"] = offset
        part.layout.view(changed)["version"] = 1
        records += part.records(rows, changed)
    newest = Newest()
    newest.add([records[i] for i in order])
    assert int.from_bytes(newest.latest[b"user"][:8], "little") == 5


def test_a_changelog_of_another_space_is_refused() -> None:
    _, log = filled()
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, space="another@1")


def test_a_changelog_of_another_row_size_is_refused() -> None:
    _, log = filled()
    log.pop(WATERMARK_KEY)
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, dim=DIM * 2)


@pytest.mark.parametrize(("source", "partitions"), [("other", 4), ("events", 8)])
def test_a_changed_source_is_refused(source: str, partitions: int) -> None:
    _, log = filled()
    with pytest.raises(StateError, match="offsets would lie"):
        restored(log, source, partitions)


def test_what_waits_for_an_item_is_found_in_log_order_and_taken_out_by_release() -> None:
    part = PartitionState(0, layout())
    part.rows(["a", "b"])
    part.wait(1, Waiting(7, "x", 0, b"1"))
    part.wait(0, Waiting(5, "x", 0, b"2"))
    part.wait(0, Waiting(6, "y", 0, b"3"))
    assert [w.offset for w in part.waiting_for({"x"})] == [5, 7]
    assert part.waiting_count == 3
    part.release({"x"})
    assert part.waiting_count == 1
    assert [w.offset for w in part.waiting[0]] == [6]
    assert part.waiting_for({"x"}) == []


def test_rows_grow_and_keep_their_users() -> None:
    part = PartitionState(0, layout(), capacity=2)
    first = part.rows([f"u{i}" for i in range(100)])
    assert first.tolist() == list(range(100))
    assert part.rows(["u99", "u0", "new"]).tolist() == [99, 0, 100]
    assert part.offsets(np.array([0])).tolist() == [-1]
