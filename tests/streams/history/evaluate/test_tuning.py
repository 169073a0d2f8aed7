"""The search: seeded, within its ranges, never worse than the defaults, blind for the second half."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import pytest

from streams.history.evaluate.baselines.search import Between, OneOf
from streams.history.evaluate.tuning import Method, Search, Values, search, tune
from streams.settings.errors import UserError
from tests.streams.history.evaluate.worlds import drawn

SPACE = {
    "rate": Between(0.01, 10.0, log=True),
    "share": Between(0.0, 1.0),
    "count": Between(1, 9, whole=True),
    "kind": OneOf(("a", "b")),
}


def valley(values: Values) -> float:
    """Best at rate 1, share 0.5, kind b; what is absent stands far off."""
    far = abs(math.log(values.get("rate", 100.0))) + abs(values.get("share", 9.0) - 0.5)
    return -far - (values.get("kind") != "b")


@pytest.fixture(params=get_args(Method))
def method(request: pytest.FixtureRequest) -> Any:
    if request.param == "bayesian":
        pytest.importorskip("optuna", exc_type=ImportError)
    return request.param


def test_values_lie_within_their_ranges_and_are_the_same_for_the_same_seed(method: Any) -> None:
    found = search(SPACE, valley, Search(method, 12, 3))
    assert len(found.trials) == 12
    assert found.trials[0].values == {}
    for trial in found.trials[1:]:
        assert 0.01 <= trial.values["rate"] <= 10.0
        assert 0.0 <= trial.values["share"] <= 1.0
        assert trial.values["count"] in range(1, 10)
        assert trial.values["kind"] in ("a", "b")
        assert trial.score == valley(trial.values)
    assert found.trials == search(SPACE, valley, Search(method, 12, 3)).trials
    assert found.trials != search(SPACE, valley, Search(method, 12, 4)).trials


def test_the_best_is_no_worse_than_the_defaults(method: Any) -> None:
    def defaults_are_best(values: Values) -> float:
        return 0.0 if values else 1.0

    assert search(SPACE, valley, Search(method, 30)).best.score > -2.5
    assert search(SPACE, defaults_are_best, Search(method, 5)).best.values == {}
    assert search(SPACE, lambda values: math.nan if values else 0.0, Search(method, 3)).best.values == {}


def test_a_grid_ends_with_its_points() -> None:
    found = search({"share": Between(0.0, 1.0), "kind": OneOf(("a",))}, valley, Search("grid", 50))
    assert sorted(trial.values["share"] for trial in found.trials[1:]) == [0.0, 0.5, 1.0]


def test_progress_is_told_and_nothing_to_search_is_one_trial() -> None:
    told: list[tuple[int, int]] = []
    search(SPACE, valley, Search("random", 3), lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert len(search({}, valley, Search()).trials) == 1
    with pytest.raises(ValueError, match="at least one trial"):
        Search(trials=0)


def test_a_baseline_is_tuned_on_the_first_half_alone() -> None:
    """Whatever the second half holds, the choice is the same."""
    world = drawn()
    other = replace(world, visits=[*world.visits[: world.half], *drawn(seed=8).visits[world.half :]])
    how = Search("random", 4)
    found = tune("decayed_popularity", world.first_half(), "novel", how)
    assert found == tune("decayed_popularity", other.first_half(), "novel", how)
    assert len({trial.score for trial in found.trials}) > 1
    assert set(found.trials[1].values) == {"half_life_days"}


def test_a_baseline_without_parameters_or_of_no_name() -> None:
    assert len(tune("popularity", drawn().first_half(), "all", Search()).trials) == 1
    with pytest.raises(UserError, match="no baseline"):
        tune("populatity", drawn().first_half(), "all", Search())
