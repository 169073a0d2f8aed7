"""Sets of offsets as intervals do what sets do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.books import offsets
from streams.history.books.keys import ABSENT, DistinctKeys, NewestValues
from streams.history.books.offsets import OffsetSet, ranges_text

SMALL = st.lists(st.integers(-5, 40), max_size=60)


def made(numbers: list[int]) -> OffsetSet:
    found = OffsetSet()
    for number in numbers:
        found.add(number)
    return found


def members(found: OffsetSet) -> set[int]:
    starts, ends = found.intervals()
    return {n for start, end in zip(starts.tolist(), ends.tolist(), strict=True) for n in range(start, end)}


@given(SMALL, SMALL, st.integers(-6, 41), st.integers(-6, 41), st.integers(1, 7))
def test_an_offset_set_is_a_set(
    left: list[int], right: list[int], begin: int, end: int, divisor: int
) -> None:
    a, b = made(left), made(right)
    assert members(a) == set(left)
    assert (len(a), a.added) == (len(set(left)), len(left))
    assert members(a - b) == set(left) - set(right)
    assert members(a & b) == set(left) & set(right)
    assert members(a | b) == set(left) | set(right)
    assert members(a.within(begin, end)) == {n for n in left if begin <= n < end}
    assert members(a.over(divisor)) == {n // divisor for n in left}


@given(SMALL, SMALL)
def test_intervals_are_disjoint_in_order_and_as_few_as_can_be(left: list[int], right: list[int]) -> None:
    for found in (made(left), made(left) - made(right), made(left) | made(right)):
        starts, ends = found.intervals()
        assert (starts < ends).all()
        assert all(
            before < after for before, after in pairwise(np.column_stack((starts, ends)).ravel().tolist())
        )


@given(SMALL)
def test_when_it_is_sorted_in_changes_nothing(numbers: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offsets, "PENDING", 3)
        found = made(numbers)
        assert (members(found), found.added) == (set(numbers), len(numbers))


def test_neighbours_that_come_in_several_strands_are_one_interval() -> None:
    """As the records of one source partition lie in several canonical ones."""
    found, strand = OffsetSet(), 50_000
    for first in (0, 2, 1, 3):
        for offset in range(first, strand, 4):
            found.add(offset)
    starts, ends = found.intervals()
    assert (starts.tolist(), ends.tolist(), len(found), found.added) == ([0], [strand], strand, strand)


def test_ranges_are_told_in_words() -> None:
    assert ranges_text(made([3, 7, 8, 9])) == "3, 7 to 9"
    assert ranges_text(made(list(range(0, 20, 2))), most=2) == "0, 2 and 8 more"
    assert ranges_text(OffsetSet()) == ""


@given(st.lists(st.tuples(st.binary(max_size=2), st.integers(0, 2))))
def test_distinct_keys_are_counted_per_partition(keys: list[tuple[bytes, int]]) -> None:
    found = DistinctKeys()
    for key, partition in keys:
        found.add(key, partition)
    assert len(found) == len(set(keys))


@given(st.lists(st.tuples(st.binary(max_size=1), st.integers(0, 2))), st.lists(st.binary(max_size=1)))
def test_the_newest_value_of_a_key_counts(puts: list[tuple[bytes, int]], asked: list[bytes]) -> None:
    found = NewestValues()
    for index, (key, value) in enumerate(puts):
        found.put(key, value)
        if index == len(puts) // 2:
            assert len(found) <= index + 1
    newest = dict(puts)
    assert (len(found), found.count(1)) == (len(newest), list(newest.values()).count(1))
    assert found.of(asked).tolist() == [newest.get(key, ABSENT) for key in asked]
