"""What every baseline keeps to, whatever it counts."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.registry import BASELINES, build_baseline, require
from streams.history.evaluate.baselines.search import Between, OneOf, choices
from streams.history.evaluate.contender import Request, Rows, Visit
from streams.history.evaluate.judge import Judge
from streams.history.evaluate.visits import Stream
from streams.settings.errors import UserError
from tests.streams.history.evaluate.worlds import drawn, visit

ITEMS = 30
NOTHING = np.zeros(0, dtype=np.int64)


def make(name: str, visits: int = 120, **parameters: Any) -> Baseline:
    if name == "implicit_als":
        pytest.importorskip("implicit", exc_type=ImportError)
    vectors = np.random.default_rng(1).standard_normal((ITEMS, 8)).astype(np.float32)
    return build_baseline(name, ITEMS, visits, seed=5, vectors=vectors, **parameters)


def answers(name: str, world: Stream) -> list[list[int]]:
    """What it names at each visit of a stream."""
    found, contender = [], make(name)
    for one in world.visits:
        found.append(contender.rank(Request(one.user, one.time, 0, NOTHING), 10).tolist())
        contender.learn(one)
    return found


@pytest.fixture(params=BASELINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_judge_finds_nothing_amiss(name: str) -> None:
    """Only items seen before, none that is excluded, none twice."""
    for task in ("all", "novel"):
        assert len(Judge(drawn(), task).run(make(name))) > 20


def test_the_same_seed_gives_the_same_lists(name: str) -> None:
    assert answers(name, drawn()) == answers(name, drawn())


def test_asking_changes_nothing(name: str) -> None:
    contender, other = make(name), make(name)
    for one in drawn().visits:
        request = Request(one.user, one.time, 0, NOTHING)
        first = contender.rank(request, 10)
        contender.rank(Request(one.user + 100, one.time, 0, NOTHING), 3)
        assert contender.rank(request, 10).tolist() == first.tolist() == other.rank(request, 10).tolist()
        contender.learn(one)
        other.learn(one)


def test_no_answer_knows_the_future(name: str) -> None:
    """All from visit 50 on is replaced: what was said up to there, of visit 50 too, is the same."""
    world, changed = drawn(), drawn(seed=4)
    later = [one for one in changed.visits if one.time >= world.visits[50].time]
    first = world.visits[50]
    replaced = [*world.visits[:50], Visit(first.user, first.time, *_columns([29, 28])), *later]
    mixed = Stream(world.items, replaced, world.users, world.half)
    assert answers(name, world)[:51] == answers(name, mixed)[:51]


def _columns(rows: list[int]) -> tuple[Rows, Any, Any, Any]:
    made = visit(0, 0, rows)
    return made.rows, made.weights, made.values, made.chosen


def test_everything_that_may_be_shown_is_shown_at_last(name: str) -> None:
    contender = make(name)
    contender.learn(visit(0, 1, [3, 4, 5]))
    contender.learn(visit(1, 2, [6], [-1.0]))
    assert sorted(contender.rank(Request(7, 3, 4, NOTHING), 20).tolist()) == [3, 4, 5, 6]
    assert sorted(contender.rank(Request(0, 3, 4, np.array([3, 6, 20])), 20).tolist()) == [4, 5]
    assert len(contender.rank(Request(0, 3, 4, NOTHING), 2)) == 2
    assert sorted(contender.rank(Request(0, 3, 4, NOTHING), 20).tolist()) == [3, 4, 5, 6]


def test_nothing_is_named_before_the_first_visit(name: str) -> None:
    assert make(name).rank(Request(0, 3, 0, NOTHING), 20).tolist() == []


def test_defaults_lie_within_what_tuning_may_choose(name: str) -> None:
    made = make(name)
    for field, choice in choices(BASELINES[name]).items():
        value = getattr(made, field)
        match choice:
            case Between():
                assert choice.low <= value <= choice.high
            case OneOf():
                assert value in choice.values


def test_a_wrong_name_or_parameter_is_told() -> None:
    with pytest.raises(UserError, match=r"no baseline 'ease2'; there are: random"):
        build_baseline("ease2", 3, 10)
    with pytest.raises(UserError, match="popularity has no parameter depth"):
        build_baseline("popularity", 3, 10, depth=4)
    with pytest.raises(UserError, match="decayed_content needs the items' vectors"):
        build_baseline("decayed_content", 3, 10)


@pytest.mark.parametrize(
    ("name", "module"), [("ease", "scipy"), ("implicit_als", "implicit"), ("popularity", "numba")]
)
def test_a_library_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    # Whatever else it needs is there.
    for other in BASELINES[name].needs:
        monkeypatch.setitem(sys.modules, other, None if other == module else ModuleType(other))
    with pytest.raises(UserError, match=rf"{name} needs {module} .*: install it with"):
        require(name)
