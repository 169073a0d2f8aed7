"""The simulated world: the same for the same seed, and its events are what its truth says."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from streams.demo.simulate import ACTIONS, INVALID_EVERY, NOISE, SimulatedEvent, World
from streams.events.adapters import adapter
from streams.events.canonical import Event
from streams.events.rejections import Limits, Reason, Rejected
from tests.streams.flows import Record

EVENTS = 8_000


def theme(world: World, simulated: SimulatedEvent) -> int:
    """The theme of the event's item."""
    # Items are dealt out to the themes in turn.
    return int(simulated.event["item_id"].removeprefix("item-")) % len(world.themes)


def parse(simulated: SimulatedEvent) -> Event | Rejected:
    """What the native adapter makes of it."""
    value = orjson.dumps({**simulated.event, "timestamp": 1_700_000_000_000})
    (found,) = adapter("native").parse(Record(value, 0), Limits())
    return found


def test_same_seed_same_world_and_another_seed_another() -> None:
    first, again, other = World(3, users=20), World(3, users=20), World(4, users=20)
    assert first.items == again.items
    assert first.items != other.items
    assert list(first.events(500)) == list(again.events(500)) == list(first.events(500))
    assert list(first.events(500)) != list(other.events(500))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.7, 0.9999])
def test_truth_is_a_mixture_of_two_themes(share: float) -> None:
    world = World(0, users=30)
    for user in range(30):
        weights = world.truth(user, share)
        assert weights.sum() == pytest.approx(1.0)
        assert weights.min() >= 0
        assert np.count_nonzero(weights) == 2


def test_a_user_drifts_until_the_shift_replaces_both_themes() -> None:
    world = World(1, users=50)
    for user in range(50):
        before, after = world.before_and_after(user)
        early = world.truth(user, 0.0)
        assert set(np.flatnonzero(early)) == set(np.flatnonzero(before))
        assert early.max() - before.max() > 0.2
        assert not set(np.flatnonzero(before)) & set(np.flatnonzero(after))
        assert 0.4 <= world.shift_at[user] <= 0.6


@pytest.mark.parametrize("after", [False, True])
def test_events_follow_the_truth(after: bool) -> None:
    world = World(2, users=1)
    liked = [
        e
        for e in world.events(EVENTS)
        if e.valid and "item_id" in e.event and e.event["action"] != "dislike"
        if (e.share >= world.shift_at[0]) == after
    ]
    seen = np.bincount([theme(world, e) for e in liked], minlength=len(world.themes)) / len(liked)
    truth = np.mean([world.truth(0, e.share) for e in liked], axis=0)
    expected = (1 - NOISE) * truth + NOISE / len(world.themes)
    # Five standard deviations of a share; the seed is fixed, so this does not flicker.
    assert np.abs(seen - expected).max() < 5 * np.sqrt(0.25 / len(liked))


def test_a_dislike_is_of_what_the_user_is_not_after() -> None:
    world = World(0, users=5)
    dislikes = [e for e in world.events(2000) if e.valid and e.event["action"] == "dislike"]
    assert dislikes
    for e in dislikes:
        assert world.truth(world.users.index(e.event["user_id"]), e.share)[theme(world, e)] == 0


def test_actions_come_as_often_as_they_should() -> None:
    actions = [e.event["action"] for e in World(0).events(EVENTS) if e.valid]
    assert sum(ACTIONS.values()) == pytest.approx(1.0)
    for action, share in ACTIONS.items():
        assert actions.count(action) / len(actions) == pytest.approx(share, abs=0.015)


def test_valid_events_are_valid_and_the_others_are_rejected_for_several_reasons() -> None:
    events = list(World(0).events(10 * INVALID_EVERY))
    assert sum(not e.valid for e in events) == 10
    assert all(isinstance(parse(e), Event) == e.valid for e in events)
    reasons = {found.reason for e in events if isinstance(found := parse(e), Rejected)}
    assert reasons == {Reason.MISSING_USER, Reason.MISSING_ACTION, Reason.WRONG_TYPE}


def test_shares_are_in_order_over_the_whole_run() -> None:
    shares = [e.share for e in World(0).events(100)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert 0.98 < shares[-1] < 1.0


def test_each_item_belongs_to_one_theme_and_says_so() -> None:
    world = World(0)
    assert sorted(item for own in world.by_theme for item in own) == sorted(i["item_id"] for i in world.items)
    for item in world.items:
        assert item["item_id"] in world.by_theme[world.themes.index(item["categories"][0])]
        assert item["categories"][0] in item["description"]
