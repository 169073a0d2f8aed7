"""Pairs of items: what is consumed together, once each, and split in time without a leak."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.events.canonical import Event
from streams.flow.signals import EventWeights
from streams.learn.pairs import CoConsumed, co_consumed, split_in_time, spread
from streams.settings.action_rules import DEFAULT_ACTIONS

WEIGHING = EventWeights(DEFAULT_ACTIONS, 1.0)
WINDOW = 1000


def event(user: str, item: str | None, time: int, action: str = "click", value: float | None = None) -> Event:
    return Event(f"{user}{item}{time}", user, action, time, item_id=item, value=value)


def items(*events: Event, window: int = WINDOW, per_user: int = 100) -> list[tuple[str, str]]:
    return [(pair.left, pair.right) for pair in co_consumed(events, WEIGHING, window, per_user)]


histories = st.lists(
    st.builds(
        event,
        st.sampled_from("uvw"),
        st.sampled_from([*"abcdefgh", None]),
        st.integers(0, 30_000),
        st.sampled_from(["click", "dislike", "impression", "purchase"]),
    ),
    max_size=60,
)


def test_neighbours_in_time_are_pairs_in_whichever_order_they_were_logged() -> None:
    assert items(event("u", "c", 900), event("u", "a", 0), event("v", "x", 1), event("u", "b", 500)) == [
        ("a", "b"),
        ("b", "c"),
    ]


def test_what_is_disliked_ignored_or_rated_low_is_no_neighbour() -> None:
    hated = event("u", "x", 1, "dislike")
    seen = event("u", "y", 2, "impression")
    low = event("u", "z", 3, "rate", 1.0)
    assert items(event("u", "a", 0), hated, seen, low, event("u", "b", 4, "rate", 5.0)) == [("a", "b")]


def test_a_longer_pause_ends_the_visit() -> None:
    pairs = co_consumed(
        [event("u", item, time) for item, time in (("a", 0), ("b", 9), ("c", 2000), ("d", 2009))],
        WEIGHING,
        WINDOW,
        100,
    )
    assert [(p.left, p.right) for p in pairs] == [("a", "b"), ("c", "d")]
    assert pairs[0].session != pairs[1].session


def test_two_items_are_paired_once_when_they_first_were() -> None:
    later = [event("v", "b", 5000), event("v", "a", 5001)]
    assert co_consumed([*later, event("u", "a", 0), event("u", "b", 7)], WEIGHING, WINDOW, 100) == [
        CoConsumed(7, "u", "a", "b", 1)
    ]


@given(histories, st.integers(0, 5000), st.integers(1, 5))
def test_pairs_keep_to_window_and_bound(events: list[Event], window: int, per_user: int) -> None:
    pairs = co_consumed(events, WEIGHING, window, per_user)
    assert max(Counter(pair.user for pair in pairs).values(), default=0) <= per_user
    times = {(e.user_id, e.item_id, e.timestamp) for e in events}
    for pair in pairs:
        assert pair.left != pair.right
        assert (pair.user, pair.right, pair.timestamp) in times
        assert any(
            (user, item) == (pair.user, pair.left) and 0 <= pair.timestamp - time <= window
            for user, item, time in times
        )


@given(histories, st.floats(0.05, 0.5))
def test_no_time_and_no_pair_lies_on_both_sides_of_the_cut(events: list[Event], held_out: float) -> None:
    pairs = co_consumed(events, WEIGHING, 30_000, 100)
    if not pairs:
        return
    earlier, later, cut = split_in_time(pairs, held_out)
    assert earlier + later == pairs
    assert later
    assert all(pair.timestamp < cut for pair in earlier)
    assert all(pair.timestamp >= cut for pair in later)
    sides = [{frozenset((pair.left, pair.right)) for pair in side} for side in (earlier, later)]
    assert not sides[0] & sides[1]


@given(st.lists(st.integers(), max_size=50), st.integers(1, 60))
def test_a_spread_keeps_the_order_and_reaches_all_over(rows: list[int], most: int) -> None:
    kept = spread(list(enumerate(rows)), most)
    assert len(kept) == min(len(rows), most)
    assert kept == sorted(kept)
    gaps = [b[0] - a[0] for a, b in pairwise(kept)]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
