"""The judge, on worlds made by hand: what perfect, slow and lost vectors are worth, and how late they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from streams.demo.judge import WARM_UP, Judge, Vector
from streams.demo.simulate import Weights, World

EVENTS = 40
Vectors = Callable[[int], Vector]


class TwoThemes(World):
    """One user, after theme 0 in the first half of the run and after theme 1 in the second; one item each."""

    def __init__(self) -> None:
        self.themes = ["red", "blue"]
        self.by_theme = [["red"], ["blue"]]
        self.users = ["u"]
        self.shift_at = np.array([0.5])

    def truth(self, user: int, share: float) -> Weights:
        return np.array([1.0, 0.0]) if share < self.shift_at[user] else np.array([0.0, 1.0])


RED, BLUE = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
ITEMS = {"red": RED, "blue": BLUE}


def play(vector: Vectors, every: int = 1, events: int = EVENTS) -> Judge:
    """A judge told of `events` events, one a second; after each `every`-th comes vector(count), 0.1 s later."""
    judge = Judge(TwoThemes())
    for number in range(events):
        item = "red" if number < EVENTS / 2 else "blue"
        judge.send({"user_id": "u", "item_id": item}, number / EVENTS, float(number))
        if (number + 1) % every == 0:
            judge.see("u", number + 1, vector(number + 1), number + 0.1)
    return judge


def follows_after(events: int) -> Vectors:
    """Vectors that turn to the new theme with so many events after the shift."""
    return lambda count: BLUE if count >= EVENTS / 2 + events else RED


def test_a_perfect_follower_has_cosine_one_and_follows_with_the_first_event() -> None:
    verdict = play(follows_after(1)).verdict(ITEMS)
    assert verdict["cosine_truth"] == pytest.approx(1.0)
    assert verdict["events_to_follow_shift"] == 1


@pytest.mark.parametrize("events", [2, 7, 15])
def test_a_slow_follower_needs_as_many_events_as_it_takes(events: int) -> None:
    verdict = play(follows_after(events)).verdict(ITEMS)
    assert verdict["events_to_follow_shift"] == events
    wrong = events - 1
    assert verdict["cosine_truth"] == pytest.approx(1 - wrong / (EVENTS - WARM_UP + 1))


def test_static_is_the_plain_average_of_the_same_events() -> None:
    verdict = play(follows_after(1)).verdict(ITEMS)
    # 20 red events are outweighed by no fewer than 21 blue ones, and there are 20.
    assert verdict["events_to_follow_shift_static"] == 21
    right = [1.0] * (20 - WARM_UP + 1) + [k / math.hypot(20, k) for k in range(1, 21)]
    assert verdict["cosine_truth_static"] == pytest.approx(np.mean(right))


def test_the_average_itself_is_judged_as_the_static_one() -> None:
    def average(count: int) -> Vector:
        return RED * min(count, 20) + BLUE * max(count - 20, 0)

    verdict = play(average).verdict(ITEMS)
    assert verdict["cosine_truth"] == pytest.approx(verdict["cosine_truth_static"])
    assert verdict["events_to_follow_shift"] == verdict["events_to_follow_shift_static"]


def test_following_for_one_record_only_is_not_following() -> None:
    verdict = play(lambda count: BLUE if count == 23 or count >= 30 else RED).verdict(ITEMS)
    assert verdict["events_to_follow_shift"] == 10


def test_the_new_truth_before_the_shift_is_not_following() -> None:
    verdict = play(lambda count: BLUE if 10 <= count <= 19 else RED).verdict(ITEMS)
    assert verdict["events_to_follow_shift"] == 21


def test_a_search_has_no_item_and_leaves_the_average_as_it_is() -> None:
    judge = Judge(TwoThemes())
    for number in range(10):
        event = (
            {"user_id": "u", "item_id": "red"} if number % 2 else {"user_id": "u", "text": "something red"}
        )
        judge.send(event, number / 100, float(number))
        judge.see("u", number + 1, RED, float(number))
    assert judge.verdict(ITEMS)["cosine_truth_static"] == pytest.approx(1.0)


def test_latency_is_of_each_event_to_the_first_vector_that_holds_it() -> None:
    judge = play(lambda count: RED, every=2)
    # Of each pair the second waits 0.1 s, and the first a second more.
    assert sorted(judge.latencies) == pytest.approx([0.1] * 20 + [1.1] * 20)
    assert judge.percentile_ms(25) == pytest.approx(100.0)
    assert judge.percentile_ms(75) == pytest.approx(1100.0)


def test_a_vector_seen_again_counts_once() -> None:
    judge = play(lambda count: RED)
    judge.see("u", EVENTS, BLUE, 1000.0)
    judge.see("u", 3, BLUE, 1000.0)
    assert len(judge.latencies) == EVENTS
    assert max(judge.latencies) < 1


def test_unseen_are_the_events_that_no_vector_holds() -> None:
    judge = Judge(TwoThemes())
    assert judge.unseen() == 0
    for number in range(3):
        judge.send({"user_id": "u", "item_id": "red"}, 0.0, float(number))
    assert judge.unseen() == 3
    judge.see("u", 2, RED, 5.0)
    assert judge.unseen() == 1


@pytest.mark.parametrize("events", [0, WARM_UP - 1, 22])
def test_too_few_events_on_either_side_say_nothing_of_the_shift(events: int) -> None:
    verdict = play(follows_after(1), events=events).verdict(ITEMS)
    assert math.isnan(verdict["events_to_follow_shift"])
    assert math.isnan(verdict["events_to_follow_shift_static"])
    assert math.isnan(verdict["cosine_truth"]) == (events < WARM_UP)


def test_no_vector_has_no_latency() -> None:
    assert math.isnan(Judge(TwoThemes()).percentile_ms(50))
