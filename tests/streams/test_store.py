"""The state of a partition: what a changelog record holds is what comes back."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.changelog import WATERMARK_KEY, SourceTopic, Waiting, Watermark
from streams.interest import DecayModel
from streams.interest.decay import HalfLife
from streams.restore import Restoring
from streams.store import Layout, PartitionState, StateError
from streams.tails import Consumed

DIM = 4
SOURCE = SourceTopic("events", 4, "id")


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
    part.consumed.add(0, 2**63 + 5)
    part.waiting.add(1, Waiting(11, "item-x", 1000, b"{}"))
    part.watermark = users + 9
    part.books.update({"read": users, "applied": users})
    log = dict(part.records(rows, changed))
    key, value = part.watermark_record(SOURCE)
    return part, {**log, key: value}


def columns(records: list[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes | None]]:
    return [key for key, _ in records], [value for _, value in records]


def restored(log: dict[bytes, bytes], source: SourceTopic = SOURCE, **kw: Any) -> PartitionState:
    restoring = Restoring(0, layout(**kw))
    restoring.add(list(log), list(log.values()))
    return restoring.state(source)


def test_a_changelog_gives_the_whole_state_back() -> None:
    part, log = filled()
    again = restored(log)
    assert again.users == part.users
    assert np.array_equal(again.arena[:3], part.arena[:3])
    assert list(again.consumed.keys(0)) == list(part.consumed.keys(0)) == [2**63 + 5]
    assert list(again.consumed.keys(1)) == []
    assert [vars_of(w) for w in again.waiting.of_row[1]] == [vars_of(w) for w in part.waiting.of_row[1]]
    assert again.waiting.rows_by_item == {"item-x": {1}}
    assert again.waiting.count == 1
    assert (again.watermark, dict(again.books)) == (part.watermark, dict(part.books))


def vars_of(waiting: Waiting) -> tuple[Any, ...]:
    return waiting.offset, waiting.item_id, waiting.recorded, waiting.event


def test_what_was_not_recommended_is_due_again() -> None:
    part, _ = filled()
    part.due = {1: 11}
    key, value = part.watermark_record(SOURCE)
    log = dict(part.records(np.arange(3), part.take(np.arange(3))))
    assert set(restored({**log, key: value}).due) == {1, 2}


def test_of_two_marks_at_one_offset_the_later_counts_though_it_calls_less_recommended() -> None:
    """An event that waited is applied without a higher offset, and makes its user due again."""
    part, _ = filled()
    before = part.watermark_record(SOURCE)
    part.due = {1: 5}
    part.books["applied"] += 1
    after = part.watermark_record(SOURCE)
    for order in ([after, before], [before, after]):
        restoring = Restoring(0, layout())
        restoring.add(*columns(order))
        assert restoring.state(SOURCE).books["applied"] == part.books["applied"]


def test_nothing_is_due_where_all_was_recommended() -> None:
    _, log = filled()
    assert restored(log).due == {}


def one_user(offset: int, version: int = 1, consumed: int = 0) -> tuple[bytes, bytes]:
    part = PartitionState(0, layout())
    rows = part.rows(["user"])
    changed = part.take(rows)
    states = part.layout.view(changed)
    states["offset"], states["version"], states["count"] = offset, version, 10 * offset + version
    for key in range(consumed):
        part.consumed.add(0, 100 * offset + key)
    ((key, value),) = part.records(rows, changed)
    return key, value


@given(order=st.permutations(list(range(6))), cuts=st.sets(st.integers(0, 6)))
@settings(max_examples=50, deadline=None)
def test_the_highest_offset_and_version_win_in_any_order_and_chunks(order: list[int], cuts: set[int]) -> None:
    """A paused old owner may append older state after the new owner's."""
    written = [one_user(offset, version, 3 - offset) for offset in range(3) for version in (1, 2)]
    records = [written[i] for i in order]
    restoring = Restoring(0, layout())
    edges = [0, *sorted(cuts), 6]
    for begin, end in pairwise(edges):
        restoring.add(*columns(records[begin:end]))
    part = restoring.state(SOURCE)
    (state,) = part.layout.view(part.arena[:1])
    assert (state["offset"], state["version"], state["count"]) == (2, 2, 22)
    assert list(part.consumed.keys(0)) == [200]


def test_a_newer_state_without_a_tail_leaves_nothing_of_an_older_one() -> None:
    restoring = Restoring(0, layout())
    restoring.add(*columns([one_user(1, consumed=3)]))
    restoring.add(*columns([one_user(2)]))
    assert list(restoring.state(SOURCE).consumed.keys(0)) == []


def test_a_changelog_of_another_space_is_refused() -> None:
    _, log = filled()
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, space="another@1")


def test_a_changelog_of_another_row_size_is_refused() -> None:
    _, log = filled()
    log.pop(WATERMARK_KEY)
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, dim=DIM * 2)


@pytest.mark.parametrize(
    "source", [SourceTopic("other", 4), SourceTopic("events", 8), SourceTopic("events", 4, "anew")]
)
def test_a_changed_source_is_refused(source: SourceTopic) -> None:
    _, log = filled()
    with pytest.raises(StateError, match="offsets would lie"):
        restored(log, source)


def test_a_source_whose_id_is_unknown_is_trusted() -> None:
    _, log = filled()
    assert len(restored(log, SourceTopic("events", 4))) == 3


def test_a_mark_calls_published_what_was_delivered_in_order() -> None:
    part, _ = filled()
    first, second = Future[None](), Future[None]()
    part.deliveries += [(5, first), (12, second)]
    second.set_result(None)
    assert mark(part).published == -1
    first.set_result(None)
    assert mark(part).published == 12
    part.watermark = 20
    again = restored(dict([part.watermark_record(SOURCE)]))
    assert (again.watermark, again.published) == (20, 12)


def mark(part: PartitionState) -> Watermark:
    return msgspec.json.decode(part.watermark_record(SOURCE)[1], type=Watermark)


def test_what_waits_for_an_item_is_found_in_log_order_and_taken_out_by_release() -> None:
    part = PartitionState(0, layout())
    part.rows(["a", "b"])
    part.waiting.add(1, Waiting(7, "x", 0, b"1"))
    part.waiting.add(0, Waiting(5, "x", 0, b"2"))
    part.waiting.add(0, Waiting(6, "y", 0, b"3"))
    assert [w.offset for w in part.waiting.waiting_for({"x"})] == [5, 7]
    assert part.waiting.count == 3
    part.waiting.release({"x"})
    assert part.waiting.count == 1
    assert [w.offset for w in part.waiting.of_row[0]] == [6]
    assert part.waiting.waiting_for({"x"}) == []


def test_the_oldest_consumed_item_is_forgotten_beyond_the_limit_also_after_a_recovery() -> None:
    consumed = Consumed(limit=3)
    for key in (1, 2, 3, 2, 2**64 - 1):
        consumed.add(7, key)
    assert list(consumed.keys(7)) == [2, 3, 2**64 - 1]
    again = Consumed(limit=3)
    again.load(7, consumed.pack(7))
    again.add(7, 3)
    again.add(7, 4)
    assert list(again.keys(7)) == [3, 2**64 - 1, 4]
    assert again.pack(7) == b"".join(key.to_bytes(8, "little") for key in (3, 2**64 - 1, 4))
    assert list(again.keys(8)) == []


def test_rows_grow_and_keep_their_users() -> None:
    part = PartitionState(0, layout(), capacity=2)
    first = part.rows([f"u{i}" for i in range(100)])
    assert first.tolist() == list(range(100))
    assert part.rows(["u99", "u0", "new"]).tolist() == [99, 0, 100]
    assert part.offsets(np.array([0])).tolist() == [-1]
