"""From events to signals: what an action weighs, what its value does to that, and when it happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.canonical import Event
from streams.events.columns.events import Events
from streams.flow.signals import EventWeights, times
from streams.settings.action_rules import DEFAULT_ACTIONS, ActionRule
from tests.streams.flows import T0, apply, make_flow, record

RULES = {
    "none": ActionRule(weight=2.0),
    "linear": ActionRule(weight=2.0, scale="linear"),
    "log": ActionRule(weight=2.0, scale="log"),
    "sign": ActionRule(weight=2.0, scale="sign"),
    "ratio": ActionRule(weight=2.0, scale="ratio"),
    "centred": ActionRule(weight=2.0, scale="centred", middle=3.0, span=2.0),
    "mute": ActionRule(weight=0.0),
}
SCALES = sorted(RULES.keys() - {"mute"})


def event(action: str, value: float | None = None, timestamp: int = T0) -> Event:
    return Event("e", "u", action, timestamp, value=value)


def nobody(users: int = 1) -> Any:
    """States of users who have rated nothing yet."""
    return np.zeros(users, dtype=[("rating_sum", "<f8"), ("rating_count", "<i8")])


def weigh(events: list[Event], users: list[int] | None = None, states: Any = None) -> list[float]:
    event_weights = EventWeights(RULES, default_weight=0.5)
    positions = np.array(users or [0] * len(events), dtype=np.int64)
    known = nobody(int(positions.max()) + 1) if states is None else states
    weights: list[float] = event_weights.weigh(events, event_weights.base(events), positions, known).tolist()
    return weights


@pytest.mark.parametrize(
    ("scale", "value", "factor"),
    [
        ("none", 7, 1),
        ("linear", 7, 7),
        ("linear", -2, -2),
        ("linear", 0, 0),
        ("log", 3, 2),
        ("log", -3, -2),
        ("log", 0, 0),
        ("sign", -2, -1),
        ("sign", 2, 1),
        ("sign", 0, 1),
        ("ratio", 0.25, 0.25),
        ("ratio", 1.5, 1),
        ("ratio", -1, 0),
        ("centred", 5, 1),
        ("centred", 1, -1),
        ("centred", 3, 0),
    ],
)
def test_each_scale_turns_a_value_into_a_factor(scale: str, value: float, factor: float) -> None:
    assert weigh([event(scale, value)]) == [2 * factor]


@pytest.mark.parametrize("scale", SCALES)
def test_an_event_without_value_has_its_actions_weight_but_a_rating_moves_nothing(scale: str) -> None:
    for _ in range(2):
        assert weigh([event(scale)]) == [0.0 if scale == "centred" else 2.0]


def test_a_rating_without_value_is_neutral_however_it_is_spelled() -> None:
    event_weights = EventWeights(DEFAULT_ACTIONS, 0.0)
    events = [event("rate"), event("Rated"), event("rate", 0.0), event("view")]
    for _ in range(2):
        assert event_weights.base(events).tolist() == [0.0, 0.0, 3.0, 1.0]


def test_an_action_without_rule_has_the_default_weight_whatever_its_value() -> None:
    assert weigh([event("wave", 100.0), event("mute", 100.0)]) == [0.5, 0.0]


def test_without_any_scaled_action_values_count_for_nothing() -> None:
    event_weights = EventWeights({"click": ActionRule(weight=1.0)}, 1.0)
    events = [event("click", 9.0)]
    assert event_weights.weigh(
        events, event_weights.base(events), np.zeros(1, dtype=np.int64), nobody()
    ).tolist() == [1.0]


def test_a_rating_counts_against_the_mean_of_those_before_it() -> None:
    """The scale's middle is one rating given beforehand: means 3, (3 + 5) / 2, (3 + 5 + 5) / 3."""
    assert weigh([event("centred", value) for value in (5, 5, 1)]) == pytest.approx([2, 1, 1 - 13 / 3])


def test_each_user_has_a_mean_of_its_own() -> None:
    events = [event("centred", value) for value in (5, 1, 5, 1)]
    together = weigh(events, [0, 1, 0, 1])
    assert together[0::2] == weigh(events[0::2])
    assert together[1::2] == weigh(events[1::2])


def test_the_running_mean_is_kept_in_the_state() -> None:
    states = nobody()
    weigh([event("centred", 5), event("centred", 4), event("linear", 100)], states=states)
    assert (states["rating_sum"][0], states["rating_count"][0]) == (9.0, 2)
    split = weigh([event("centred", 2)], states=states)
    assert split == [weigh([event("centred", value) for value in (5, 4, 2)])[2]]


@pytest.mark.parametrize("scale", SCALES)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
@settings(max_examples=40)
def test_no_value_can_drown_a_state(scale: str, values: list[float]) -> None:
    weights = weigh([event(scale, value) for value in values])
    assert np.abs(weights).max() <= 2e6


def test_an_absurd_rating_does_not_poison_the_mean_for_ever() -> None:
    states = nobody()
    weigh([event("centred", 1.7e308), event("centred", 1.7e308)], states=states)
    weigh([event("centred", -1.7e308), event("centred", -1.7e308)], states=states)
    assert states["rating_sum"][0] == 0
    assert weigh([event("centred", 5.0)], states=states) == pytest.approx([2 * (5 - 3 / 5) / 2])


def test_a_time_after_its_records_own_is_clamped_to_that() -> None:
    events = [event("none", timestamp=T0 + ahead) for ahead in (-5, 0, 1, 10**12)]
    given = Events.of(events).times
    assert times(given, np.full(4, T0)).tolist() == [T0 - 5, T0, T0, T0]


def test_a_record_without_time_clamps_nothing() -> None:
    assert times(np.array([T0]), np.zeros(1, dtype=np.int64)).tolist() == [T0]


def test_weights_reach_the_state() -> None:
    flow = make_flow()
    apply(flow, [record(0, item="i1", action="purchase", value=3), record(1, item="i2", action="dislike")])
    history = flow.layout.view(flow.partitions[0].arena)["history"][0]
    assert history["weight"][:2].tolist() == [6.0, -3.0]
