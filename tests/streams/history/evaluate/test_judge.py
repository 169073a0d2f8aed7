"""The judge: what is asked, what is scored, and by which marks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streams.catalog.items import Item
from streams.history.evaluate.contender import Request, Rows, Visit
from streams.history.evaluate.judge import ContractError, Judge
from streams.history.evaluate.marks import COLUMNS, divergence, mark
from streams.history.evaluate.memory import Memory, category_shares
from streams.history.evaluate.visits import Stream, middle
from tests.streams.history.evaluate.simple import PopularityContender, RandomContender
from tests.streams.history.evaluate.worlds import drawn, stream, visit


class Fixed:
    """Names what it is told to, and remembers what it was asked and shown."""

    name = "fixed"

    def __init__(self, *rows: int) -> None:
        self.rows, self.calls = np.array(rows, dtype=np.int64), []  # type: ignore[var-annotated]

    def rank(self, request: Request, k: int) -> Rows:
        self.calls.append(("rank", request.user, request.exclude.tolist()))
        return self.rows[~np.isin(self.rows, request.exclude)]

    def learn(self, visit: Visit) -> None:
        self.calls.append(("learn", visit.user, visit.rows.tolist()))


def marks(ranked: list[int], targets: list[int], memory: Memory) -> dict[str, float]:
    found = mark(np.array(ranked), np.array(targets), 0, memory)
    return dict(zip(COLUMNS, found, strict=True))


def memory_of(*visits: Visit, items: int = 8) -> Memory:
    memory = Memory([Item(f"i{row}") for row in range(items)], 3)
    for one in visits:
        memory.learn(one)
    return memory


def test_marks_by_hand() -> None:
    memory = memory_of(visit(0, 1, [0, 1]), visit(1, 2, [0, 2, 3]), visit(1, 3, [0]))
    found = marks([3, 0, 1], [0, 1, 5], memory)
    gains = 1 / math.log2(3) + 1 / math.log2(4)
    assert found["targets"] == 3
    assert found["gain"] == pytest.approx(gains)
    assert found["list_ndcg"] == pytest.approx(gains / (1 + 1 / math.log2(3) + 0.5))
    assert (found["hits10"], found["hits20"], found["list_hit"]) == (2, 2, 1)
    assert found["reciprocal"] == pytest.approx(1 / 2 + 1 / 3)
    assert found["user_events"] == 2
    # Item 0 has three uses, item 1 one, item 5 none.
    assert (found["cold_targets"], found["cold_hits"], found["new_targets"]) == (1, 1, 1)
    assert found["popularity"] == pytest.approx((1 + 3 + 1) / 3)
    assert found["target_popularity"] == pytest.approx(4 / 3)
    assert found["novelty"] == pytest.approx((2 * math.log2(6) + math.log2(6 / 3)) / 3)
    assert math.isnan(found["calibration"])


def test_marks_look_at_twenty_places_and_ndcg_at_ten() -> None:
    memory = memory_of(visit(0, 1, list(range(30))), items=30)
    found = marks(list(range(30)), [10, 20], memory)
    assert (found["gain"], found["hits10"], found["hits20"]) == (0, 0, 1)
    assert found["reciprocal"] == pytest.approx(1 / 11)


def test_calibration_is_none_for_a_list_like_the_user_and_grows_with_the_difference() -> None:
    shares = category_shares([Item("a", categories=["x"]), Item("b", categories=["y", "x"]), Item("c")])
    assert shares.tolist() == [[1, 0], [0.5, 0.5], [0, 0]]
    taste = np.array([3.0, 1.0])
    assert divergence(taste, shares[[0, 1]]) == pytest.approx(0)
    assert 0 < divergence(taste, shares[[1]]) < divergence(taste, shares[[0]])
    assert math.isnan(divergence(taste, shares[[2]]))


def test_all_of_one_time_are_asked_about_before_any_is_learned() -> None:
    visits = [visit(0, 1, [0]), visit(0, 2, [1]), visit(1, 2, [0]), visit(1, 3, [1])]
    fixed = Fixed(0)
    Judge(stream(visits, 2, half=1), "all").run(fixed)
    assert [call[:2] for call in fixed.calls] == [
        ("learn", 0),
        *(("rank", 0), ("rank", 1), ("learn", 0), ("learn", 1), ("rank", 1), ("learn", 1)),
    ]


def test_novel_targets_are_what_the_user_never_used_and_the_used_is_excluded() -> None:
    visits = [visit(0, 1, [0, 1], [1, -1]), visit(0, 2, [0, 1]), visit(0, 3, [0, 2]), visit(0, 4, [3], [-1])]
    fixed = Fixed(0)
    judged = Judge(stream(visits, 4, half=1), "novel").run(fixed)
    assert judged.numbers.tolist() == [2]
    assert [call for call in fixed.calls if call[0] == "rank"] == [("rank", 0, [0, 1])]
    # Of all, the visit that only gives something back has no target.
    assert Judge(stream(visits, 4, half=1), "all").run(Fixed(0)).numbers.tolist() == [1, 2]


@pytest.mark.parametrize("rows", [(0, 0), (2,), (9,), (-1,), tuple(range(21))])
def test_a_wrong_answer_stops_the_judge(rows: tuple[int, ...]) -> None:
    visits = [visit(0, 1, [*range(2), *range(3, 9)]), visit(0, 2, [0])]
    with pytest.raises(ContractError, match="fixed names"):
        Judge(stream(visits, 9, half=1), "all").run(Fixed(*rows))


def test_an_excluded_item_stops_the_judge() -> None:
    class Careless(Fixed):
        def rank(self, request: Request, k: int) -> Rows:
            return self.rows

    visits = [visit(0, 1, [0]), visit(0, 2, [1])]
    with pytest.raises(ContractError, match="excluded"):
        Judge(stream(visits, 2, half=1), "novel").run(Careless(0))


def test_too_small_a_k_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        Judge(drawn(), "all", k=10)


def test_figures_are_per_target() -> None:
    visits = [visit(0, 1, [0, 1, 2]), visit(0, 2, [0]), visit(0, 3, [1, 2])]
    figures = Judge(stream(visits, 3, half=1), "all").run(Fixed(0)).figures()
    assert figures["ndcg@10"] == pytest.approx(1 / 3)
    assert figures["hr@20"] == pytest.approx(1 / 3)
    assert figures["list ndcg@10"] == pytest.approx(1 / 2)
    assert figures["coverage@20"] == pytest.approx(1 / 3)
    assert math.isnan(figures["rmse"])


def test_raters_are_measured_by_the_ratings() -> None:
    class Three(Fixed):
        def predict(self, user: int, row: int) -> float:
            return 3.0

    one = visit(0, 1, [0, 1])
    rated = Visit(0, 2, one.rows, one.weights, np.array([5.0, np.nan], dtype=np.float32), one.chosen)
    world = Stream(stream([one], 2).items, [one, rated], 1, 1, rated=True)
    figures = Judge(world, "all").run(Three(0)).figures()
    assert (figures["rmse"], figures["mae"]) == (2, 2)


def test_the_middle_is_by_uses_and_never_within_a_time() -> None:
    visits = [visit(0, 1, [0]), visit(0, 2, [0]), visit(1, 2, [0, 1]), visit(1, 3, [1, 2])]
    assert middle(visits) == 3
    assert middle([]) == 0
    half = stream(visits, 3).first_half()
    assert (len(half.visits), half.half) == (3, 1)


def test_visits_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="earlier time"):
        Judge(stream([visit(0, 2, [0]), visit(0, 1, [0])], 1, half=0), "all").run(Fixed())


@pytest.mark.parametrize("kind", [RandomContender, PopularityContender])
def test_simple_contenders_keep_the_contract_and_are_deterministic(kind: Any) -> None:
    def run() -> tuple[list[list[int]], float]:
        answers: list[list[int]] = []
        judge = Judge(drawn(), "novel", watch=lambda number, rows: answers.append(rows.tolist()))
        judged = judge.run(kind(30, seed=5))
        return answers, judged.figures()["ndcg@10"]

    assert run() == run()
    assert run()[0]


def test_popularity_counts_what_was_chosen() -> None:
    contender = PopularityContender(5)
    contender.learn(visit(0, 1, [0, 1, 3], [1, 1, -1]))
    contender.learn(visit(1, 2, [1, 2]))
    assert contender.rank(Request(0, 3, 4, np.array([], dtype=np.int64)), 20).tolist() == [1, 0, 2, 3]
    assert contender.rank(Request(0, 3, 4, np.array([1])), 2).tolist() == [0, 2]
