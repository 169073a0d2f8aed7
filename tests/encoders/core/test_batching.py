"""The cut: every text once, within the budget, and no cut is cheaper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.core.batching import cut

LENGTHS = st.lists(st.integers(1, 50), max_size=60)


def padded_size(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    return sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)


@given(lengths=LENGTHS, budget=st.integers(1, 200), padded=st.booleans(), cost=st.none() | st.integers(0, 50))
def test_batches_hold_each_text_once_within_the_budget_longest_first(
    lengths: list[int], budget: int, padded: bool, cost: int | None
) -> None:
    batches = cut(lengths, budget, padded=padded, pass_cost=cost)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)
    for batch in batches:
        size = padded_size([batch], lengths) if padded else sum(lengths[i] for i in batch)
        assert len(batch) == 1 or size <= budget


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    """Every way to group the items."""
    if not items:
        yield []
        return
    first, *rest = items
    for groups in partitions(rest):
        yield [[first], *groups]
        for n in range(len(groups)):
            yield [*groups[:n], [first, *groups[n]], *groups[n + 1 :]]


@given(lengths=st.lists(st.integers(1, 12), max_size=6), budget=st.integers(1, 40), cost=st.integers(0, 12))
@settings(max_examples=60)
def test_no_grouping_at_all_costs_less(lengths: list[int], budget: int, cost: int) -> None:
    """Tried against every partition of the texts, also those that are not sorted."""

    def price(groups: Sequence[Sequence[int]]) -> int:
        return padded_size(groups, lengths) + cost * len(groups)

    fitting = [
        groups
        for groups in partitions(list(range(len(lengths))))
        if all(len(group) == 1 or padded_size([group], lengths) <= budget for group in groups)
    ]
    assert price(cut(lengths, budget, pass_cost=cost)) == min(map(price, fitting))


def test_padding_of_texts_as_they_come_is_little() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(2.7, 0.8, 1000).astype(int), 3, 256).tolist()
    batches = cut(lengths, 1024)
    assert padded_size(batches, lengths) <= 1.04 * sum(lengths)
    assert len(batches) <= 2 * sum(lengths) / 1024


def test_one_long_text_does_not_pad_the_short_ones() -> None:
    assert cut([5, 200, 5, 5], 1024) == [[1], [0, 2, 3]]


def test_without_a_price_of_a_pass_only_equal_lengths_are_together() -> None:
    assert cut([3, 4, 3, 4, 5], 100, pass_cost=0) == [[4], [1, 3], [0, 2]]


@pytest.mark.parametrize("padded", [True, False])
def test_a_text_beyond_the_budget_is_alone(padded: bool) -> None:
    assert cut([2, 500, 2], 10, padded=padded) == [[1], [0, 2]]
