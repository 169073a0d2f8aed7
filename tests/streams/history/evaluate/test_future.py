"""No path sees the future: a leak is planted in each stage, and the check that the real ones pass catches it.

The check: what is answered up to a time must be the same where the visits of that time have another content, and all
that comes later is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.history.evaluate.contender import Contender, Request, Rows, Visit
from streams.history.evaluate.judge import Judge
from streams.history.evaluate.live.contender import Circumstances, LiveContender
from streams.history.evaluate.live.space import Space, build_space
from streams.history.evaluate.visits import Stream
from streams.items.signals import ItemSignals
from streams.settings.registries import RECOMMENDERS
from streams.settings.settings import Settings
from tests.streams.history.evaluate.simple import PopularityContender, RandomContender
from tests.streams.history.evaluate.worlds import drawn, with_events

Make = Callable[[Stream], Contender]
ITEMS = 30


def answers(make: Make, world: Stream, judge: type[Judge] = Judge) -> dict[int, list[int]]:
    """The list for each scored visit by its number."""
    found: dict[int, list[int]] = {}
    judge(world, "all", watch=lambda number, rows: found.update({number: rows.tolist()})).run(make(world))
    return found


def altered(world: Stream, group: range) -> Stream:
    """The stream up to this group, whose visits are of other items."""
    others = [replaced(one) for one in world.visits[group.start : group.stop]]
    return replace(world, visits=[*world.visits[: group.start], *others])


def replaced(visit: Visit) -> Visit:
    rows = (visit.rows + 7) % ITEMS
    return with_events(replace(visit, rows=rows)) if visit.events else replace(visit, rows=rows)


def sees_the_future(make: Make, world: Stream, judge: type[Judge] = Judge) -> bool:
    whole = answers(make, world, judge)
    assert len(whole) > 10
    groups = [group for group in world.groups() if group.start >= world.half]
    for group in groups[:: len(groups) // 3]:
        known = {number: rows for number, rows in whole.items() if number < group.stop}
        if answers(make, altered(world, group), judge) != known:
            return True
    return False


class Peeking(PopularityContender):
    """Looks up what the user is about to use."""

    def __init__(self, world: Stream) -> None:
        super().__init__(ITEMS)
        self._coming = {(one.user, one.time): one.rows for one in world.visits}

    def rank(self, request: Request, k: int) -> Rows:
        best = super().rank(request, ITEMS)
        coming = np.isin(best, self._coming[request.user, request.time])
        return np.concatenate([best[coming], best[~coming]])[:k]


class Tuned(PopularityContender):
    """Puts one item first: the newest in what tuning saw."""

    def __init__(self, seen: Sequence[Visit]) -> None:
        super().__init__(ITEMS)
        self._first = seen[-1].rows[0]

    def rank(self, request: Request, k: int) -> Rows:
        best = super().rank(request, ITEMS)
        return np.concatenate([best[best == self._first], best[best != self._first]])[:k]


class LearnsFirst(Judge):
    """A judge that lets a contender learn each visit before it asks about it."""

    def _ask(self, contender: Contender, number: int, visit: Visit) -> None:
        contender.learn(visit)
        super()._ask(contender, number, visit)


class LearnsWithinATime(Judge):
    """A judge that shows a visit before it asks about another one of the same time."""

    def _ask(self, contender: Contender, number: int, visit: Visit) -> None:
        super()._ask(contender, number, visit)
        contender.learn(visit)


def test_simple_contenders_do_not_see_the_future() -> None:
    assert not sees_the_future(lambda world: PopularityContender(ITEMS), drawn())
    assert not sees_the_future(lambda world: RandomContender(ITEMS, 3), drawn())


def test_a_contender_that_looks_at_the_visit_is_caught() -> None:
    assert sees_the_future(Peeking, drawn())


@pytest.mark.parametrize("judge", [LearnsFirst, LearnsWithinATime])
def test_a_judge_that_learns_too_early_is_caught(judge: type[Judge]) -> None:
    class Lenient(judge):  # type: ignore[valid-type, misc]
        def _check(self, *_: Any) -> None:
            """It names what its contender learned too early."""

    assert sees_the_future(lambda world: PopularityContender(ITEMS), drawn(), Lenient)


def test_visits_out_of_order_are_caught() -> None:
    world = drawn()
    visits = list(world.visits)
    visits[70], visits[90] = visits[90], visits[70]
    with pytest.raises(ValueError, match="earlier time"):
        answers(lambda world: PopularityContender(ITEMS), replace(world, visits=visits))


def test_tuning_that_sees_the_second_half_is_caught() -> None:
    assert not sees_the_future(lambda world: Tuned(world.first_half().visits), drawn())
    assert sees_the_future(lambda world: Tuned(world.visits), drawn())


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    folder: Path = tmp_path_factory.mktemp("space")
    return build_space(Settings(encoder="hashing", dimensions=16), lived().items, folder)


def lived() -> Stream:
    world = drawn(visits=45)
    return replace(world, visits=[with_events(one) for one in world.visits])


@pytest.mark.parametrize(
    ("name", "circumstances"),
    [
        ("content", Circumstances(repeats=False)),
        ("used-most", Circumstances()),
        ("used-most", Circumstances(delay=9)),
        ("used-most", Circumstances(frozen="day")),
    ],
)
def test_what_runs_live_does_not_see_the_future(
    space: Space, name: str, circumstances: Circumstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECOMMENDERS.built_in, "used-most", f"{__package__}.used_most:from_settings")
    make: Make = lambda world: LiveContender(name, space, world.items, circumstances)  # noqa: E731
    assert not sees_the_future(make, lived())


def test_item_state_of_the_future_is_caught(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECOMMENDERS.built_in, "used-most", f"{__package__}.used_most:from_settings")

    def make(world: Stream) -> Contender:
        made = LiveContender("used-most", space, world.items, Circumstances())
        for one in world.visits:
            uses = made.flow.catalog.keys[one.rows]
            nothing, ones = np.zeros(len(uses), dtype=np.uint64), np.ones(len(uses), dtype=np.float32)
            times = np.full(len(uses), one.time)
            made.learned.hear(ItemSignals(uses, nothing, ones, times, nothing + 1, times), len(uses))
        return made

    assert sees_the_future(make, lived())


def test_a_user_state_of_the_future_is_caught(space: Space) -> None:
    class Hasty(LiveContender):
        def __init__(self, world: Stream) -> None:
            super().__init__("content", space, world.items, Circumstances())
            self._coming = {(one.user, one.time): one for one in world.visits}

        def rank(self, request: Request, k: int) -> Rows:
            self._fold(self._coming[request.user, request.time].events)
            return super().rank(request, k)

    assert sees_the_future(Hasty, lived())
