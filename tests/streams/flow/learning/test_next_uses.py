"""Lists are judged by what their users use next, and only then does the recommender learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.flow.flow import Flow
from streams.flow.learning.next_uses import OPEN_VISITS, NextUses
from streams.kernels import compiling
from streams.ops.metrics import Metrics
from streams.recommend import Catalog, Queries
from streams.recommend.learned.hybrid import HybridRecommender
from tests.contracts.test_recommender_contract import asked, make_catalog
from tests.streams.flows import apply, make_flow, record


@pytest.fixture(autouse=True)
def _compiled_again() -> Iterator[None]:
    """Flows here fold without compiled code, which is as good and starts sooner; what comes after chooses anew."""
    yield
    compiling.choose(True)


class Heard:
    """A learner that remembers what it was told, and how many lists were judged by then."""

    def __init__(self) -> None:
        self.told: list[tuple[Queries, list[Collection[int]]]] = []
        self.judged: list[int] = []
        self.uses: NextUses | None = None

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        self.told.append((queries, list(used)))
        self.judged.append(self.uses.judged if self.uses is not None else -1)


def judge(most: int = 100) -> tuple[NextUses, Heard]:
    heard = Heard()
    made = heard.uses = NextUses(heard, make_catalog(30), most)
    return made, heard


def open_to_all(users: int) -> Queries:
    return replace(asked(users, 30), exclude=[[]] * users)


def lists(*rows: Sequence[int]) -> Any:
    return np.array(rows, dtype=np.int32)


def test_a_list_is_judged_once_and_then_learned_from() -> None:
    made, heard = judge()
    queries = open_to_all(3)
    assert made.ndcg is None
    assert made.hit_rate is None
    made.listed(0, 7, ["a", "b", "c"], queries, lists([20, 21, 22], [20, 21, 22], [20, 21, -1]))
    made.used(0, 7, {"b": {21: 5}, "a": {29: 6}, "nobody": {1: 9}})
    assert heard.judged == [2]
    ((told, used),) = heard.told
    np.testing.assert_array_equal(told.vectors, queries.only([1, 0]).vectors)
    assert used == [{21}, {29}]
    own = 1 / math.log2(3)
    assert made.hit_rate == pytest.approx(0.5, abs=1e-3)
    assert made.ndcg == pytest.approx(own / 2, abs=1e-3)
    made.used(0, 7, {"b": {21: 10}})
    assert (made.judged, len(heard.told), len(made)) == (2, 1, 1)


def test_what_is_used_at_one_time_answers_the_list_before_it_in_however_many_batches() -> None:
    made, heard = judge()
    made.listed(0, 7, ["a", "b"], open_to_all(2), lists([1, 2], [1, 2]))
    made.used(0, 7, {"a": {1: 50}, "b": {4: 40}})
    made.listed(0, 7, ["a"], open_to_all(1), lists([8, 9]))
    made.used(0, 7, {"a": {2: 50}})
    assert [used for _, used in heard.told] == [[{4}]]
    made.used(0, 7, {"a": {8: 60}})
    assert [used for _, used in heard.told] == [[{4}], [{1, 2}]]
    made.used(0, 7, {"nobody": {1: 70}})
    assert [used for _, used in heard.told] == [[{4}], [{1, 2}], [{8}]]
    assert made.judged == 3


def test_a_first_visit_has_no_list_however_many_batches_it_comes_in() -> None:
    made, heard = judge()
    made.used(0, 7, {"a": {1: 50}})
    made.listed(0, 7, ["a"], open_to_all(1), lists([2, 3]))
    made.used(0, 7, {"a": {2: 50}})
    made.used(0, 7, {"a": {3: 51}, "b": {3: 52}})
    assert [used for _, used in heard.told] == [[{3}]]


def test_a_visit_goes_on_only_in_its_partition_and_ownership() -> None:
    made, heard = judge()
    made.listed(0, 7, ["a"], open_to_all(1), lists([1, 2]))
    made.used(0, 7, {"a": {1: 50}})
    made.used(1, 7, {"a": {2: 60}})
    assert heard.told == []
    made.used(0, 8, {"a": {2: 50}})
    assert [used for _, used in heard.told] == [[{1}]]


def test_visits_of_very_many_users_at_one_time_end_before_it_does() -> None:
    made, heard = judge(most=OPEN_VISITS + 2)
    users = [f"u{n}" for n in range(OPEN_VISITS + 2)]
    made.listed(0, 7, users, open_to_all(len(users)), lists(*[[1, 2]] * len(users)))
    made.used(0, 7, {user: {1: 50} for user in users})
    assert [used for _, used in heard.told] == [[{1}, {1}]]


def test_lists_of_an_earlier_ownership_and_the_oldest_are_dropped() -> None:
    made, heard = judge(most=2)
    made.listed(0, 7, ["a", "b", "c"], open_to_all(3), lists(*[[1, 2]] * 3))
    assert len(made) == 2
    made.used(0, 7, {"a": {1: 5}})
    made.used(0, 8, {"b": {1: 6}})
    made.used(1, 7, {"c": {1: 7}})
    made.used(0, 8, {"d": {1: 8}})
    assert (heard.told, len(made)) == ([], 1)


def test_what_a_list_must_not_name_is_no_miss() -> None:
    made, heard = judge()
    made.listed(0, 7, ["a"], replace(asked(1, 30), exclude=[[4]]), lists([1, 2]))
    made.used(0, 7, {"a": {4: 5}, "b": {4: 6}})
    assert (made.judged, len(heard.told)) == (0, 1)


def learning_flow(**options: Any) -> Flow:
    return make_flow(20, recommender="hybrid", exclude_consumed=False, compiled=False, **options)


def live(flow: Flow, rounds: int = 6) -> Any:
    """Users act, and are recommended to after each batch."""
    for start in range(0, 4 * rounds, 4):
        apply(flow, [record(start + n, f"u{n}", f"i{(start // 4 + 5 * n) % 20}") for n in range(4)])
        flow.recommend(0, np.arange(4))
    recommender = flow.recommender
    assert isinstance(recommender, HybridRecommender)
    return recommender.ranker.parameters


def test_a_flow_learns_from_what_users_do_next_the_same_each_time() -> None:
    flow = learning_flow()
    parameters, uses = live(flow), flow.next_uses
    assert uses is not None
    # The last one may go on.
    assert (uses.judged, parameters.version) == (4 * 5 - 1, 4 * 5 - 1)
    again = live(learning_flow())
    for name, value in parameters.values.items():
        assert value.tobytes() == again.values[name].tobytes()


def test_a_basket_teaches_the_same_in_one_batch_and_event_by_event() -> None:
    def bought(number: int, item: int) -> Any:
        return record(number, item=f"i{item}", timestamp=1_600_000_000_000 + number // 3)

    learned = []
    for size in (3, 1):
        flow = learning_flow()
        for begin in range(0, 13, size):
            apply(flow, [bought(n, 7 * n % 20) for n in range(begin, min(begin + size, 13))])
            flow.recommend(0, np.arange(1))
        assert isinstance(flow.recommender, HybridRecommender)
        learned.append(flow.recommender.ranker.parameters)
    # Four baskets and the begin of a fifth; the first has no list before it, the last is open.
    assert [one.version for one in learned] == [3, 3]
    for name, value in learned[0].values.items():
        assert value.tobytes() == learned[1].values[name].tobytes()


def test_lists_change_nothing_of_the_states() -> None:
    both = learning_flow(), make_flow(20, exclude_consumed=False, compiled=False)
    told = [apply(flow, [record(0), record(1, item="i3")]) for flow in both]
    assert told[0].state == told[1].state
    assert (len(told[0].used), told[1].used) == (1, [])
    assert both[1].next_uses is None


def test_dislikes_repeats_and_events_that_waited_are_no_next_uses() -> None:
    flow = learning_flow()
    assert apply(flow, [record(0, item="late")]).used == []
    assert apply(flow, [record(1, action="dislike")]).used == []
    flow.recommend(0, np.arange(1))
    assert apply(flow, [record(1, action="dislike"), record(0)]).used == []
    flow.catalog.put("late", flow.catalog.vectors[0])
    (ready,) = flow.ready_events().values()
    assert flow.update(0, ready, np.zeros((0, 16), dtype=np.float32)).used == []
    assert flow.next_uses is not None
    assert flow.next_uses.judged == 0


def test_the_marks_are_shown_once_there_are_some() -> None:
    (made, _), metrics = judge(), Metrics()
    metrics.watch_lists(made)
    shown: Callable[[str], Any] = lambda name: metrics.registry.get_sample_value(f"interestflow_{name}")  # noqa: E731
    assert (shown("judged_lists_total"), shown("prequential_ndcg")) == (0, None)
    made.listed(0, 0, ["a"], open_to_all(1), lists([3, 1]))
    made.used(0, 0, {"a": {3: 5}, "b": {3: 6}})
    assert [shown(name) for name in ("prequential_ndcg", "prequential_hit_rate")] == [1, 1]
