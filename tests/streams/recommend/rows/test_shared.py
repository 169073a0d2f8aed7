"""Vectors that several processes share: each has what it read itself, whatever the others do and wherever they die."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.recommend import item_key
from streams.recommend.rows import arena, shared
from tests.streams.recommend.rows.processes import Group, Holder, others

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory is Linux's")

DIM = 32
# Their vectors fill whole pages.
NAMES = [f"item-{n}" for n in range(3072)]


@pytest.fixture
def start() -> Iterator[Group]:
    """start() -> a process that shares with the others."""
    with others(DIM) as run:
        yield run


def made(seed: int, count: int = len(NAMES)) -> np.ndarray:
    """(count, DIM) vectors."""
    return np.random.default_rng(seed).standard_normal((count, DIM), dtype=np.float32)


def by_name(vectors: np.ndarray) -> dict[str, bytes]:
    return {name: vector.tobytes() for name, vector in zip(NAMES, vectors, strict=False)}


def test_all_have_the_same_rows_and_no_copy_in_whichever_order_they_read(start: Group) -> None:
    first, second = start(), start()
    vectors, order = made(1), np.random.default_rng(2).permutation(len(NAMES))
    first.put_all(NAMES[:2000], vectors[:2000])
    second.put_all([NAMES[n] for n in order], vectors[order])
    first.put_all(NAMES[2000:], vectors[2000:])
    assert first.known() == second.known() == by_name(vectors)
    assert first.rows() == second.rows()
    assert first.own_bytes() == second.own_bytes() == 0
    assert start.held() == vectors.nbytes
    third = start()
    third.put_all(NAMES, vectors)
    assert third.rows() == first.rows()
    assert third.own_bytes() == 0


def test_rows_of_others_are_known_by_id_alone(start: Group) -> None:
    first, second = start(), start()
    first.put("theirs", *range(DIM))
    assert second.put("ours", *range(DIM)) == 1
    ids, keys, live, found = second.columns()
    assert ids == ["theirs", "ours"]
    assert keys == [item_key("theirs"), item_key("ours")]
    assert live == [False, True]
    assert found == [1]
    assert second.rows() == {"ours": 1}


def test_recommendations_are_those_of_a_catalog_that_shares_nothing(start: Group) -> None:
    alone, first, second = Holder((), DIM), start(), start()
    # The first has items that the others do not know.
    first.put_all([f"other-{n}" for n in range(100)], made(3, 100))
    for one in (alone, second, first):
        one.put_all(NAMES, made(1))
        one.put_all(NAMES[:50], made(2, 50))
    asked = made(4, 9)
    assert second.recommended(asked, 20) == alone.recommended(asked, 20)
    second.settle()
    assert second.recommended(asked, 20) == alone.recommended(asked, 20)


def test_a_change_is_seen_by_whoever_read_it_and_by_nobody_else(start: Group) -> None:
    first, second = start(), start()
    old, new = made(1), made(2)
    for one in (first, second):
        one.put_all(NAMES, old)
    first.put_all(NAMES[5:6], new[5:6])
    assert first.known() == by_name(old) | {NAMES[5]: new[5].tobytes()}
    assert second.known() == by_name(old)
    assert first.own_bytes() == 4096
    second.put_all(NAMES[5:6], new[5:6])
    assert second.known() == first.known()


def test_many_changes_are_shared_in_a_new_edition_and_the_old_one_is_freed(
    start: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST_BYTES", 0)
    first, second = start(), start()
    old, new = made(1), made(2)
    for one in (first, second):
        one.put_all(NAMES, old)
    first.put_all(NAMES, new)
    first.settle()
    assert first.own_bytes() == 0
    # The second still reads the old ones: it is behind.
    assert second.known() == by_name(old)
    assert start.held() == 2 * old.nbytes
    second.settle()
    assert second.known() == by_name(old)
    second.put_all(NAMES, new)
    second.settle()
    assert first.known() == second.known() == by_name(new)
    assert first.own_bytes() == second.own_bytes() == 0
    assert start.held() == new.nbytes


def test_an_array_in_use_keeps_its_edition(start: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LEAST_BYTES", 0)
    first, second = start(), start()
    old, new = made(1), made(2)
    for one in (first, second):
        one.put_all(NAMES, old)
        one.hold()
    first.put_all(NAMES, new)
    for one in (first, second):
        one.settle()
        one.settle()
    assert second.held_bytes() == old.tobytes()
    assert start.held() == 2 * old.nbytes
    for one in (first, second):
        one.drop()
        one.settle()
    assert start.held() == old.nbytes


def test_vectors_that_differ_for_good_cost_no_edition_after_edition(
    start: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST_BYTES", 0)
    first, second = start(), start()
    first.put_all(NAMES, made(1))
    second.put_all(NAMES, made(2))
    for _ in range(5):
        first.settle()
        second.settle()
    assert first.known() == by_name(made(1))
    assert second.known() == by_name(made(2))
    assert start.held() <= 3 * made(1).nbytes


def test_a_member_that_is_killed_leaves_no_half_vector_and_no_lock(start: Group) -> None:
    first, second, third = start(), start(), start()
    vectors = made(1)
    first.put_all(NAMES[:10], vectors[:10])
    second.tell("die_with_half_a_row", made(3)[0])
    second.process.join()
    third.tell("die_within_the_lock")
    third.process.join()
    fourth = start()
    for one in (fourth, first):
        one.put_all(NAMES, vectors)
        assert one.known() == by_name(vectors)
        assert one.own_bytes() == 0
        assert one.shared()


def test_a_member_that_is_killed_within_a_new_edition_leaves_no_memory(
    start: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST_BYTES", 0)
    first, second = start(), start()
    for one in (first, second):
        one.put_all(NAMES, made(1))
    second.tell("die_with_half_an_edition")
    second.process.join()
    first.put_all(NAMES, made(2))
    first.settle()
    assert first.known() == by_name(made(2))
    assert start.held() == made(2).nbytes


def test_members_that_are_killed_at_any_moment_harm_nobody(
    start: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST_BYTES", 0)
    first, random_moment = start(), random.Random(7)
    for seed in range(12):
        other, vectors = start(), made(seed)
        other.tell("put_all", NAMES, vectors)
        other.tell("settle")
        time.sleep(random_moment.uniform(0, 0.03))
        other.end()
        first.put_all(NAMES, vectors)
        first.settle()
        assert first.known() == by_name(vectors)
    assert first.shared()
    assert first.own_bytes() <= vectors.nbytes / 8 + 4096


def test_a_damaged_vector_is_not_used(start: Group) -> None:
    first, second = start(), start()
    vectors = made(1)
    first.put_all(NAMES, vectors)
    os.pwrite(start.vectors, b"\xff" * 100, 7 * 4 * DIM + 50)
    second.put_all(NAMES, vectors)
    assert second.known() == by_name(vectors)
    assert second.own_bytes() == 4096


def test_a_member_that_stands_still_within_the_lock_is_left_alone(
    start: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena, "PATIENCE_S", 0.05)
    first, second = start(), start()
    vectors = made(1)
    first.put_all(NAMES[:1000], vectors[:1000])
    second.tell("stop_within_the_lock")
    os.waitid(os.P_PID, second.process.pid or 0, os.WSTOPPED)
    first.put_all(NAMES, vectors)
    assert first.known() == by_name(vectors)
    assert not first.shared()
    first.settle()
    os.kill(second.process.pid or 0, signal.SIGCONT)
    third = start()
    third.put_all(NAMES, vectors)
    assert third.known() == by_name(vectors)
    assert third.shared()


def test_another_dimension_is_not_shared(start: Group) -> None:
    start().put("a", *range(DIM))
    with pytest.raises(ValueError, match="32 dimensions, not 16"):
        start(16)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(["put", "put", "put", "remove", "settle"]),
        st.sampled_from("abcdefgh"),
        st.floats(-10, 10, width=32),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_has_exactly_what_it_was_given(steps: list[tuple[int, str, str, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch, others(1500) as start:
        # Rows of more than a page, and editions at every settle.
        patch.setattr(shared, "LEAST_BYTES", 0)
        patch.setattr(shared, "SHARE", 0)
        both = [start(), start()]
        expected: list[dict[str, bytes]] = [{}, {}]
        rows: dict[str, int] = {}
        for who, verb, name, value in steps:
            if verb == "put":
                vector = np.full(1500, value, dtype=np.float32)
                row = both[who].put(name, *vector.tolist())
                assert rows.setdefault(name, row) == row
                expected[who][name] = vector.tobytes()
            elif verb == "remove":
                both[who].remove(name)
                expected[who].pop(name, None)
            else:
                both[who].settle()
            assert [one.known() for one in both] == expected
