"""What users were shown without using it is remembered for a while, and told to the recommender."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.flow.learning.shown import Shown
from streams.recommend.base import Queries
from tests.contracts.test_recommender_contract import asked
from tests.streams.flows import T0, apply, make_flow, record

HOUR_MS = 3_600_000


def at(*times: int) -> Queries:
    return replace(asked(len(times), 9), as_of=np.array(times, dtype=np.int64))


def rows(*lists: list[int]) -> Any:
    return np.array(lists, dtype=np.int32)


def told(shown: Shown, user: str, time: int, partition: int = 0) -> dict[int, float]:
    queries = shown.tell(partition, [user], at(time))
    assert queries.shown_rows is not None
    assert queries.shown_counts is not None
    pairs = zip(queries.shown_rows[0].tolist(), queries.shown_counts[0].tolist(), strict=True)
    return {row: round(count, 4) for row, count in pairs if row >= 0}


def test_it_counts_and_fades() -> None:
    shown = Shown(10, 5, 3600)
    shown.listed(0, ["a", "b"], at(0, 0), rows([1, 2], [3, -1]))
    shown.listed(0, ["a"], at(HOUR_MS), rows([2, 4]))
    assert told(shown, "a", HOUR_MS) == {2: 1.5, 4: 1.0, 1: 0.5}
    assert told(shown, "a", 2 * HOUR_MS) == {2: 0.75, 4: 0.5, 1: 0.25}
    assert told(shown, "b", 0) == {3: 1.0}
    assert told(shown, "b", 0, partition=1) == {}
    # Asked for an earlier moment, nothing grows.
    assert told(shown, "a", 0) == {2: 1.5, 4: 1.0, 1: 0.5}


def test_what_is_used_counts_as_never_shown() -> None:
    shown = Shown(10, 5, 3600)
    shown.listed(0, ["a"], at(0), rows([1, 2, 3]))
    shown.used(0, {"a": {2}, "nobody": {1}})
    assert told(shown, "a", 0) == {1: 1.0, 3: 1.0}


def test_memory_is_bounded() -> None:
    shown = Shown(2, 3, 3600)
    for user in "abc":
        shown.listed(0, [user], at(0), rows([1, 2, 3, 4, 5]))
    assert len(shown) == 2
    assert told(shown, "a", 0) == {}
    assert told(shown, "c", 0) == {1: 1.0, 2: 1.0, 3: 1.0}
    shown.listed(0, ["c"], at(HOUR_MS), rows([2, 7]))
    assert told(shown, "c", HOUR_MS) == {2: 1.5, 7: 1.0, 1: 0.5}


def test_the_moment_must_be_known() -> None:
    with pytest.raises(ValueError, match="which moment"):
        Shown(2, 3, 3600).tell(0, ["a"], asked(1, 9))


def test_a_list_shown_again_and_again_changes() -> None:
    flow = make_flow(30, recommender="hybrid", top_k=5, ranking_shown_penalty=5.0)
    apply(flow, [record(0), record(1, user="v")])
    users = flow.partitions[0].rows(["u"])

    def listed() -> list[int]:
        flow.recommend(0, users)
        assert flow.shown is not None
        return [row for row, count in told(flow.shown, "u", T0).items() if count > 0]

    first = listed()
    assert len(first) == 5
    assert len(listed()) == 10
    # What was shown and is then used may come back at once.
    assert flow.shown is not None
    apply(flow, [record(2, item=f"i{first[0]}")])
    assert first[0] not in told(flow.shown, "u", T0)


def test_without_a_penalty_nothing_is_remembered() -> None:
    assert make_flow(recommender="hybrid").shown is None
    assert make_flow(recommender="content", ranking_shown_penalty=1.0).shown is None
