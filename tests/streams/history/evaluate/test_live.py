"""The recommender that runs live as a contender: what it is told, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.catalog.items import Item
from streams.history.evaluate.contender import Request, Visit
from streams.history.evaluate.live.contender import Circumstances, LiveContender
from streams.history.evaluate.live.space import Space, build_space
from streams.settings.registries import RECOMMENDERS
from streams.settings.settings import Settings
from tests.streams.history.evaluate.worlds import DAY_MS, visit, with_events

ITEMS = [Item(f"i{row}", title=f"thing {row}") for row in range(6)]
NOTHING = np.zeros(0, dtype=np.int64)
START = 1_600_000_000_000


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    folder: Path = tmp_path_factory.mktemp("space")
    return build_space(Settings(encoder="hashing", dimensions=16), ITEMS, folder)


@pytest.fixture
def used_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECOMMENDERS.built_in, "used-most", f"{__package__}.used_most:from_settings")


def made(space: Space, circumstances: Circumstances, name: str = "used-most") -> LiveContender:
    return LiveContender(name, space, ITEMS, circumstances)


def bought(user: int, time: int, *rows: int) -> Visit:
    return with_events(visit(user, time, rows))


def uses(contender: LiveContender) -> list[int]:
    recommender: Any = contender.flow.recommender
    found: list[int] = recommender.table.uses.tolist()
    return found


def test_items_are_hidden_until_a_visit_held_them(space: Space) -> None:
    contender = made(space, Circumstances(), "content")
    assert contender.rank(Request(0, 1, 0, NOTHING), 20).tolist() == []
    contender.learn(bought(0, 1, 4, 2))
    assert sorted(contender.rank(Request(1, 2, 2, NOTHING), 20).tolist()) == [2, 4]
    assert contender.rank(Request(0, 2, 2, np.array([2])), 20).tolist() == [4]


@pytest.mark.usefixtures("used_most")
def test_what_is_learned_of_items_comes_late(space: Space) -> None:
    contender = made(space, Circumstances(delay=2))
    contender.learn(bought(0, 1, 0))
    contender.learn(bought(1, 2, 1))
    assert uses(contender) == [0, 0, 0, 0, 0, 0]
    contender.learn(bought(0, 3, 2))
    assert uses(contender) == [1, 0, 0, 0, 0, 0]


@pytest.mark.usefixtures("used_most")
def test_frozen_items_are_refreshed_when_a_day_begins(space: Space) -> None:
    contender = made(space, Circumstances(frozen="day"))
    contender.learn(bought(0, 1, 0))
    contender.rank(Request(0, 2, 1, NOTHING), 20)
    first = uses(contender)
    contender.learn(bought(1, DAY_MS - 1, 1))
    assert uses(contender) == first
    contender.rank(Request(0, DAY_MS + 1, 2, NOTHING), 20)
    assert uses(contender) == [1, 1, 0, 0, 0, 0]


def test_frozen_users_are_as_they_were_when_the_day_began(space: Space) -> None:
    def history(frozen: Any, time: int) -> list[int]:
        contender = made(space, Circumstances(frozen=frozen), "content")
        contender.learn(bought(0, 0, 0))
        contender.learn(bought(0, 1, 1))
        contender.learn(bought(0, DAY_MS, 2))
        contender.learn(bought(0, DAY_MS + 1, 3))
        rows = contender._questions.ask(0, time, []).history_rows
        return sorted(rows[rows >= 0].tolist())

    assert history(None, DAY_MS + 2) == [0, 1, 2, 3]
    assert history("day", DAY_MS + 2) == [0, 1]
    assert history("day", 2 * DAY_MS) == [0, 1, 2, 3]


@pytest.mark.usefixtures("used_most")
@pytest.mark.parametrize(("repeats", "targets"), [(True, [[0, 1], [1, 2]]), (False, [[0, 1], [2]])])
def test_the_ranker_learns_what_was_chosen_and_could_be_named(
    space: Space, repeats: bool, targets: list[list[int]]
) -> None:
    contender = made(space, Circumstances(repeats=repeats))
    contender.learn(bought(0, 1, 0, 1))
    contender.learn(bought(0, 2, 1, 2))
    recommender: Any = contender.flow.recommender
    assert recommender.learned == targets


@pytest.mark.usefixtures("used_most")
def test_the_ranker_learns_from_the_list_behind_the_last_visit(space: Space) -> None:
    contender = made(space, Circumstances(after_visit=True))
    recommender: Any = contender.flow.recommender
    contender.learn(bought(0, 1, 0, 1))
    # Who had no list teaches nothing.
    assert recommender.learned == []
    contender.learn(bought(0, 9, 1, 2))
    assert recommender.learned == [[1, 2]]
    assert recommender.asked_as_of == [1]


def test_an_item_twice_is_refused(space: Space) -> None:
    with pytest.raises(ValueError, match="has the item 'i0' twice"):
        LiveContender("content", space, [ITEMS[0], ITEMS[1], ITEMS[0]], Circumstances())
