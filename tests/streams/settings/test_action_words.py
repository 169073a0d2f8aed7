"""Action words: spelling folded, synonyms and undoing understood, and what has no rule named."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.events.canonical import Event
from streams.events.unknown_actions import MOST_NAMES, OTHER
from streams.flow.signals import EventWeights
from streams.settings.action_rules import DEFAULT_ACTIONS, ActionRule, by_spelled_word
from streams.settings.action_synonyms import SYNONYMS, UNDONE
from streams.settings.action_words import LONGEST, ActionSet, known_word, spell
from tests.streams.flows import T0, apply, make_flow, record, vectors

SPELLINGS = {
    "small": lambda words: "_".join(words),
    "kebab": lambda words: "-".join(words),
    "title": lambda words: " ".join(word.title() for word in words),
    "camel": lambda words: words[0] + "".join(word.title() for word in words[1:]),
    "pascal": lambda words: "".join(word.title() for word in words),
    "capitals": lambda words: "_".join(words).upper() + " ",
    "dots": lambda words: ".".join(words),
}


def weight(action: str, value: float | None = None, rules: Any = DEFAULT_ACTIONS) -> float:
    event_weights, events = EventWeights(rules, 0.0), [Event("e", "u", action, T0, value=value)]
    nobody = np.zeros(1, dtype=[("rating_sum", "<f8"), ("rating_count", "<i8")])
    weights = event_weights.weigh(events, event_weights.base(events), np.zeros(1, dtype=np.int64), nobody)
    return float(weights[0])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_synonym_weighs_as_its_word_in_every_spelling(spelling: str) -> None:
    for synonym in (*SYNONYMS, *DEFAULT_ACTIONS):
        word = SYNONYMS.get(synonym, synonym)
        written = SPELLINGS[spelling](synonym.split("_"))
        assert spell(written) == synonym
        if word != "rate":  # weighs nothing without a value
            assert weight(written) == DEFAULT_ACTIONS[word].weight


@given(st.text(max_size=70))
@example("\x1b\x1f_")
@settings(max_examples=300)
def test_a_folded_word_stays_as_it_is(word: str) -> None:
    folded = spell(word)
    assert spell(folded) == folded
    assert len(folded) <= max(LONGEST, len(word))


@pytest.mark.parametrize(
    ("one", "other"), [("+1", "-1"), ("购买", "收藏"), ("add", "ad_d"), ("dislike", "like"), ("C", "C++")]
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert spell(one) != spell(other)


def test_every_undoing_has_the_opposite_sign_of_what_it_undoes() -> None:
    for done, undo in UNDONE.items():
        assert DEFAULT_ACTIONS[done].weight * DEFAULT_ACTIONS[undo].weight < 0, undo


@pytest.mark.parametrize("done", sorted(UNDONE))
@pytest.mark.parametrize(
    "form",
    [
        "un{}",
        "un_{}",
        "undo_{}",
        "remove_{}",
        "{}_removed",
        "Delete {}",
        "{}Deleted",
        "cancel-{}",
        "revoke_{}",
    ],
)
def test_undoing_is_understood_of_every_action_that_has_one(done: str, form: str) -> None:
    assert known_word(form.format(done), DEFAULT_ACTIONS) == UNDONE[done]


@pytest.mark.parametrize(
    "word",
    [
        *("unlike", "unfollow", "remove_from_cart", "Remove From Cart", "removeFromCart", "refund", "cancel"),
        *(
            "unsave",
            "unfavorite",
            "unsubscribe",
            "uncart",
            "product_removed_from_cart",
            "removed_from_wishlist",
        ),
        *(
            "Order Refunded",
            "order_cancelled",
            "order_canceled",
            "cancel_order",
            "unbookmark",
            "like_removed",
        ),
    ],
)
def test_what_undoes_pushes_away(word: str) -> None:
    assert weight(word) < 0


@pytest.mark.parametrize(
    "word", ["delete", "v2", "removed", "unread", "unique", "view_cart", "begin_checkout", "购买"]
)
def test_a_word_of_no_clear_meaning_moves_nothing(word: str) -> None:
    assert weight(word) == 0


def test_unlike_takes_a_user_away_from_the_item() -> None:
    flow = make_flow(recommend=False)
    updated = apply(flow, [record(0, "a", action="Like"), record(1, "b", action="unlike")])
    of = vectors(updated)
    assert of["a"]["count"] == of["b"]["count"] == 1
    history = flow.layout.view(flow.partitions[0].arena)["history"]["weight"][:2, 0].tolist()
    assert history == [3.0, -3.0]


@pytest.mark.parametrize(
    ("action", "value"), [("purchase", 2), ("Bought", 5), ("cart", 1), ("add_to_cart", 3)]
)
def test_a_negative_quantity_is_the_opposite(action: str, value: float) -> None:
    assert weight(action, -value) == -weight(action, value) < 0


@pytest.mark.parametrize("action", ["return", "refund", "cancel", "uncart"])
@pytest.mark.parametrize("value", [-2, -1, 1, 2])
def test_a_negative_quantity_of_what_undoes_is_no_purchase(action: str, value: float) -> None:
    assert weight(action, value) < 0


def test_a_rule_for_a_synonym_itself_goes_first() -> None:
    rules = {**DEFAULT_ACTIONS, **by_spelled_word({"AddToCart": ActionRule(weight=7.0)})}
    assert weight("add-to-cart", rules=rules) == 7.0
    assert weight("cart", rules=rules) == 3.0


def test_two_rules_for_one_word_are_refused_by_name() -> None:
    same = {"AddToCart": ActionRule(weight=1.0), "add to cart": ActionRule(weight=1.0)}
    assert by_spelled_word(same) == {"add_to_cart": ActionRule(weight=1.0)}
    with pytest.raises(ValueError, match="'AddToCart' and 'add to cart' are one action, add_to_cart"):
        by_spelled_word({**same, "add to cart": ActionRule(weight=2.0)})


def test_a_set_of_actions_holds_their_spellings_and_synonyms() -> None:
    actions = ActionSet(("Purchase", "like"), DEFAULT_ACTIONS)
    assert all(action in actions for action in ("purchase", "Buy", "Order Completed", "LIKE ", "favourite"))
    assert not any(action in actions for action in ("unlike", "view", "", "delete"))
    assert 5 not in actions
    assert "bought" not in ActionSet(("purchase",), {"purchase", "bought"})


# --- without a rule ------------------------------------------------------------------------------------------------


def test_an_action_without_rule_is_counted_and_told_once_with_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    flow = make_flow()
    updated = apply(flow, [record(n, action=("Wave Hand", "wave-hand", "click")[n % 3]) for n in range(6)])
    assert flow.event_weights.unknown.counts == {"wave_hand": 4}
    assert updated.outcomes["neutral"] == 4
    (line,) = [line for line in caplog.messages if "rule" in line]
    assert "'wave_hand'" in line
    assert 'INTERESTFLOW_ACTIONS, as \'{"wave_hand":{"weight":1}}\'' in line


def test_names_of_actions_without_rule_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    flow = make_flow()
    apply(flow, [record(n, action=f"action {n}") for n in range(3 * MOST_NAMES)])
    counts = flow.event_weights.unknown.counts
    assert len(counts) == MOST_NAMES + 1
    assert counts[OTHER] == 2 * MOST_NAMES
    assert len(caplog.messages) == MOST_NAMES + 1


def test_beyond_all_bounds_every_event_without_rule_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.events.unknown_actions.REMEMBERED", 10)
    flow = make_flow()
    apply(flow, [record(n, action=f"action {n % 30}" if n % 2 else "click") for n in range(100)])
    assert flow.event_weights.unknown.counts.total() == 50


def test_a_default_weight_counts_them_and_moves_the_interest() -> None:
    flow = make_flow(default_action_weight=0.5)
    assert apply(flow, [record(0, action="wave")]).outcomes["applied"] == 1
    assert flow.event_weights.unknown.counts == {"wave": 1}


def test_consuming_is_told_in_every_spelling() -> None:
    flow = make_flow()
    apply(flow, [record(0, item="i3", action="Order Completed"), record(1, item="i4", action="page_view")])
    part = flow.partitions[0]
    assert list(part.consumed.keys(part.row_of["u"])) == [flow.catalog.keys[flow.catalog.row_of["i3"]]]
