"""The state of a partition: what a changelog record holds is what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.interest.decay import DecayModel, HalfLife
from streams.state.changelog import NO_EPOCH, OWNER_KEY, PROGRESS_KEY, Progress, TopicIdentity
from streams.state.deliveries import Deliveries, PendingChange
from streams.state.restore import Restoring
from streams.state.store import StateError
from streams.state.users.consumed import Consumed
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting

DIM = 4
SOURCE = TopicIdentity("events", 4, "id")


def layout(space: str = "hashing@1", dim: int = DIM) -> UserLayout:
    return UserLayout(DecayModel(dim, HalfLife(5, "events"), HalfLife(60.0)), 3, space)


def filled(users: int = 3) -> tuple[UserPartition, dict[bytes, bytes]]:
    part = UserPartition(0, layout(), capacity=1)
    rows = part.rows([f"user-{i}" for i in range(users)])
    changed = part.read_rows(rows)
    states = part.layout.view(changed)
    states["offset"] = np.arange(users) + 10
    states["accepted"] = 1
    states["model"]["sums"] = np.arange(users * 2 * DIM, dtype=np.float32).reshape(users, 2, DIM)
    part.write_rows(rows, changed)
    part.consumed.add(0, 2**63 + 5)
    part.waiting.add(1, Waiting(11, "item-x", 1000, b"{}", 0))
    part.processed_offset = users + 9
    part.books.update({"read": users, "applied": users - 1, "waiting": 1})
    log = dict(part.records(rows, changed))
    key, value = part.progress_record(SOURCE)
    return part, {**log, key: value}


Records = list[tuple[bytes, bytes]]


def columns(records: Records, begin: int = 0) -> tuple[list[bytes], list[bytes | None], Sequence[int]]:
    keys, values = [key for key, _ in records], [value for _, value in records]
    return keys, values, range(begin, begin + len(records))


def restored(
    log: dict[bytes, bytes] | Records, source: TopicIdentity = SOURCE, epoch: int = NO_EPOCH, **kw: Any
) -> UserPartition:
    restoring = Restoring(UserPartition(0, layout(**kw)))
    restoring.add(*columns(list(log.items()) if isinstance(log, dict) else log))
    return restoring.state(source, epoch)


def test_a_changelog_gives_the_whole_state_back() -> None:
    part, log = filled()
    again = restored(log)
    assert again.users == part.users
    part.layout.view(part.arena)["record_offset"][:3] = np.arange(3)
    assert np.array_equal(again.arena[:3], part.arena[:3])
    assert list(again.consumed.keys(0)) == list(part.consumed.keys(0)) == [2**63 + 5]
    assert list(again.consumed.keys(1)) == []
    assert [vars_of(w) for w in again.waiting.of_row[1]] == [vars_of(w) for w in part.waiting.of_row[1]]
    assert again.waiting.rows_by_item == {"item-x": {1}}
    assert again.waiting.count == 1
    assert (again.processed_offset, dict(again.books)) == (part.processed_offset, dict(part.books))


def vars_of(waiting: Waiting) -> tuple[Any, ...]:
    return waiting.offset, waiting.item_id, waiting.recorded, waiting.event


class Owner:
    """Changes of users' rows in one epoch, as the pipeline makes them; keeps what it wrote."""

    def __init__(self, epoch: int, log: Records) -> None:
        log.append((OWNER_KEY, b"owner"))
        self.part, self.log = restored(log, epoch=epoch), log

    def update(self, *users: str, offset: int, delivered: bool = True, recommended: bool = True) -> None:
        part = self.part
        rows = part.rows(users)
        changed = part.read_rows(rows)
        states = part.layout.view(changed)
        states["offset"], states["accepted"], states["applied"] = (
            offset,
            states["accepted"] + 1,
            states["applied"] + 1,
        )
        part.set_version(states)
        part.write_rows(rows, changed)
        if not recommended:
            part.due.update(dict.fromkeys(rows.tolist(), part.sequence + 1))
        part.processed_offset = max(part.processed_offset, offset)
        self.write(part.records(rows, changed), delivered)

    def write(self, records: Records, delivered: bool = True) -> None:
        written = [*records, self.part.progress_record(SOURCE)]
        self.log += written
        future: Future[Sequence[int]] = Future()
        if delivered:
            future.set_result([len(self.log) - 1])
        self.part.deliveries.add(
            PendingChange(self.part.sequence, self.part.processed_offset, len(written), future)
        )

    def users(self, rows: Any) -> set[str]:
        return {self.part.users[row] for row in rows}


def test_what_no_progress_record_calls_out_is_published_and_recommended_again() -> None:
    log: Records = []
    first = Owner(0, log)
    first.update("a", "b", offset=1)
    first.update("b", offset=2, recommended=False)
    first.update("c", offset=3, delivered=False)
    first.update("d", offset=4)  # in order: it does not count before the one that is not delivered
    second = Owner(len(log), log)
    assert second.users(second.part.unpublished) == {"c", "d"}
    assert second.users(second.part.due) == {"b", "c", "d"}
    assert second.part.resume_offset == 3


def test_a_change_of_an_old_offset_is_not_out_because_later_offsets_are() -> None:
    """An event that waited for its item is applied behind others of its partition."""
    log: Records = []
    first = Owner(0, log)
    first.update("early", offset=1)
    first.update("late", offset=9)
    first.write([])
    first.update("early", offset=1, delivered=False, recommended=False)
    second = Owner(len(log), log)
    assert second.users(second.part.unpublished) == second.users(second.part.due) == {"early"}


def test_what_an_owner_found_stays_out_until_it_has_published_the_rest() -> None:
    log: Records = []
    first = Owner(0, log)
    first.update("a", offset=1)
    first.update("b", offset=2, delivered=False)
    second = Owner(len(log), log)
    second.write([], delivered=False)  # its first change brings what was not out
    second.update("c", offset=3)
    third = Owner(len(log), log)
    assert third.users(third.part.unpublished) == {"b", "c"}
    third.write([])
    third.update("c", offset=4)
    third.write([])
    fourth = Owner(len(log), log)
    assert fourth.users(fourth.part.unpublished) == fourth.users(fourth.part.due) == set()


def test_an_older_state_behind_the_newer_one_is_found_and_what_a_replaced_owner_wrote_is_not_out() -> None:
    log: Records = []
    first = Owner(0, log)
    first.update("a", "b", offset=1)
    second = Owner(len(log), log)
    second.write([])
    second.update("a", offset=5)
    second.update("a", offset=5)
    first.log = log
    first.update("a", "b", offset=4)  # paused meanwhile
    second.write([])
    third = Owner(len(log), log)
    assert third.users(third.part.stale) == {"a"}
    assert third.users(third.part.unpublished) == {"a", "b"}
    assert third.part.offsets(third.part.rows(["a", "b"])).tolist() == [5, 4]


def test_of_two_progress_records_at_one_offset_the_later_counts() -> None:
    part, _ = filled()
    before = part.progress_record(SOURCE)
    part.books["applied"] += 1
    after = part.progress_record(SOURCE)
    for order in ([after, before], [before, after]):
        assert restored(order).books["applied"] == part.books["applied"]


def test_books_say_of_events_that_wait_no_more_that_they_were_recovered() -> None:
    """A worker may end between a state in which an event waits no more and the progress record that books it."""
    part, log = filled()
    part.books["waiting"] = 3
    part.books["read"] = 5
    log |= dict([part.progress_record(SOURCE)])
    assert dict(restored(log).books) == {"read": 5, "applied": 2, "waiting": 1, "recovered": 2}
    part.processed_offset = 10  # the one that waits will be read, and booked, again
    assert dict(restored(log | dict([part.progress_record(SOURCE)])).books) == {
        "read": 5,
        "applied": 2,
        "waiting": 0,
        "recovered": 3,
    }


def one_user(offset: int, version: int = 1, consumed: int = 0, epoch: int = 0) -> tuple[bytes, bytes]:
    part = UserPartition(0, layout())
    rows = part.rows(["user"])
    changed = part.read_rows(rows)
    states = part.layout.view(changed)
    states["offset"], states["accepted"], states["applied"], states["epoch"] = offset, 1, version, epoch
    for key in range(consumed):
        part.consumed.add(0, 100 * offset + key)
    ((key, value),) = part.records(rows, changed)
    return key, value


@given(order=st.permutations(list(range(8))), cuts=st.sets(st.integers(0, 8)))
@settings(max_examples=50)
def test_the_highest_offset_count_and_term_win_in_any_order_and_chunks(
    order: list[int], cuts: set[int]
) -> None:
    """A paused old owner may append older state after the new owner's, or its own of the same events."""
    versions = [(offset, count, epoch) for offset in (1, 2) for count in (1, 2) for epoch in (10, 20)]
    written = [one_user(offset, count, 3 - offset, epoch) for offset, count, epoch in versions]
    records = [written[i] for i in order]
    restoring = Restoring(UserPartition(0, layout()))
    edges = [0, *sorted(cuts), 8]
    for begin, end in pairwise(edges):
        restoring.add(*columns(records[begin:end], begin))
    part = restoring.state(SOURCE)
    (state,) = part.layout.view(part.arena[:1])
    assert (state["offset"], state["applied"], state["epoch"]) == (2, 2, 20)
    assert list(part.consumed.keys(0)) == [200]


def test_a_newer_state_without_a_tail_leaves_nothing_of_an_older_one() -> None:
    restoring = Restoring(UserPartition(0, layout()))
    restoring.add(*columns([one_user(1, consumed=3)]))
    restoring.add(*columns([one_user(2)]))
    assert list(restoring.state(SOURCE).consumed.keys(0)) == []


def test_a_changelog_of_another_space_is_refused() -> None:
    _, log = filled()
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, space="another@1")


def test_a_changelog_of_another_row_size_is_refused() -> None:
    _, log = filled()
    log.pop(PROGRESS_KEY)
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log, dim=DIM * 2)


def test_a_changelog_of_larger_rows_is_refused_before_what_lies_behind_them_is_read() -> None:
    _, log = filled()
    smaller = layout(dim=DIM // 2).size
    record = {b"u9": log[b"user-0"][:smaller] + b"\x05" * (layout().size - smaller)}
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        restored(log | record, dim=DIM // 2)


@pytest.mark.parametrize(
    "source", [TopicIdentity("other", 4), TopicIdentity("events", 8), TopicIdentity("events", 4, "anew")]
)
def test_a_changed_source_is_refused(source: TopicIdentity) -> None:
    _, log = filled()
    with pytest.raises(StateError, match="offsets would lie"):
        restored(log, source)


def test_a_source_whose_id_is_unknown_is_trusted() -> None:
    _, log = filled()
    assert len(restored(log, TopicIdentity("events", 4))) == 3


def test_a_progress_record_calls_published_what_was_delivered_in_order() -> None:
    part, _ = filled()
    part.deliveries = Deliveries(epoch=7, read_to=8)
    first, second = Future[Sequence[int]](), Future[Sequence[int]]()
    part.deliveries.add(PendingChange(1, 5, 3, first))
    part.deliveries.add(PendingChange(2, 12, 4, second))
    second.set_result([14])
    assert (progress(part).published.epoch, progress(part).resume) == (NO_EPOCH, -1)
    first.set_result([10])
    assert (progress(part).published.epoch, progress(part).published.sequence, progress(part).resume) == (
        7,
        2,
        12,
    )
    assert part.deliveries.gaps == []
    part.processed_offset = 20
    again = restored(dict([part.progress_record(SOURCE)]))
    assert (again.processed_offset, again.resume_offset) == (20, 13)


def progress(part: UserPartition) -> Progress:
    return msgspec.json.decode(part.progress_record(SOURCE)[1], type=Progress)


def test_what_waits_for_an_item_is_found_in_log_order_and_taken_out_by_release() -> None:
    part = UserPartition(0, layout())
    part.rows(["a", "b"])
    part.waiting.add(1, Waiting(7, "x", 0, b"1", 0))
    part.waiting.add(0, Waiting(5, "x", 0, b"2", 0))
    part.waiting.add(0, Waiting(6, "y", 0, b"3", 0))
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
    part = UserPartition(0, layout(), capacity=2)
    first = part.rows([f"u{i}" for i in range(100)])
    assert first.tolist() == list(range(100))
    assert part.rows(["u99", "u0", "new"]).tolist() == [99, 0, 100]
    assert part.offsets(np.array([0])).tolist() == [-1]
