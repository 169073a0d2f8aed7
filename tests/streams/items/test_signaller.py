"""What uses say of items: what the fold of users sends."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.items.layout import SESSION_MS
from streams.items.signaller import (
    PREVIOUS,
    Remembered,
    Uses,
    item_signals,
    nearness,
    session_key,
    user_key,
)
from streams.items.signals import NO_KEY, ItemSignals
from streams.kernels.compiling import compiled, numpy_only
from tests.streams.items.parts import T0

EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30), st.sampled_from([-1.0, 0.5, 1, 7])), max_size=90
)
Event = tuple[int, int, float]
ALL = 2 * PREVIOUS


class Rings:
    """Users' rings as their states hold them."""

    def __init__(self, users: int, length: int) -> None:
        self.length = length
        self.items = np.zeros((users, length), dtype=np.uint64)
        self.weights = np.zeros((users, length), dtype=np.float32)
        self.ordinals = np.zeros((users, length), dtype=np.uint32)
        self.counts = [0] * users
        self.keys = np.array([user_key(f"u{user}") for user in range(users)], dtype=np.uint64)

    def fold(self, events: list[Event], first: int, pairs: int = ALL) -> ItemSignals:
        """Signals of a batch of (user, item, weight), item 0 for none, and its events into the rings."""
        remembered = Remembered(self.items.copy(), self.weights.copy(), self.ordinals.copy(), self.keys)
        uses = []
        for at, (user, item, weight) in enumerate(events, first):
            slot = self.counts[user] % self.length
            self.items[user, slot], self.weights[user, slot] = item, weight
            self.ordinals[user, slot] = self.counts[user]
            if item and weight > 0:
                uses.append((user, item, T0 + 1000 * at, weight, self.counts[user], at))
            self.counts[user] += 1
        return item_signals(remembered, columns(uses), nearness(pairs))


def columns(uses: list[tuple[int, int, int, float, int, int]]) -> Uses:
    users, items, times, weights, ordinals, offsets = zip(*uses, strict=True) if uses else ([],) * 6
    long = np.int64
    return Uses(
        np.array(users, dtype=long),
        np.array(items, dtype=np.uint64),
        np.array(times, dtype=long),
        np.array(weights, dtype=np.float32),
        np.array(ordinals, dtype=long),
        np.array(offsets, dtype=long),
    )


def rows(signals: ItemSignals) -> list[tuple[Any, ...]]:
    columns = (
        signals.items,
        signals.others,
        signals.weights,
        signals.times,
        signals.sessions,
        signals.offsets,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(
    events=EVENTS,
    cuts=st.lists(st.integers(0, 90), max_size=4),
    length=st.sampled_from([1, 3, 16, 40]),
    pairs=st.sampled_from([0, 1, 16, ALL]),
)
@settings(max_examples=80, deadline=None)
def test_signals_do_not_depend_on_where_batches_end_or_on_compiled_code(
    events: list[Event], cuts: list[int], length: int, pairs: int
) -> None:
    whole = rows(Rings(4, length).fold(events, 0, pairs))
    ends = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    with numpy_only():
        assert rows(Rings(4, length).fold(events, 0, pairs)) == whole
    rings = Rings(4, length)
    parts = [rings.fold(events[begin:end], begin, pairs) for begin, end in pairwise(ends)]
    assert [row for part in parts for row in rows(part)] == whole


@given(events=EVENTS, length=st.sampled_from([1, 3, 16, 40]))
@settings(max_examples=80, deadline=None)
def test_a_use_pairs_with_the_last_positive_items_before_it(events: list[Event], length: int) -> None:
    assert compiled()
    expected: list[tuple[Any, ...]] = []
    before: dict[int, list[tuple[int, float]]] = {}
    for at, (user, item, weight) in enumerate(events):
        own = before.setdefault(user, [])
        if item and weight > 0:
            time = T0 + 1000 * at
            key = session_key(user_key(f"u{user}"), time)
            expected.append((item, 0, min(weight, 1.0), time, key, at))
            seen: list[int] = []
            for other, signed in reversed(own[-length:]):
                if other and signed > 0 and other not in (item, *seen):
                    seen.append(other)
            for k, other in enumerate(seen[:PREVIOUS]):
                near = 1 / (1 + 0.25 * k)
                expected.append((other, item, float(np.float32(near)), time, 0, at))
                expected.append((item, other, float(np.float32(0.3 * near)), time, 0, at))
        own.append((item, weight))
    assert rows(Rings(4, length).fold(events, 0)) == expected


@pytest.mark.parametrize(("pairs", "forward", "backward"), [(0, 0, 0), (1, 1, 0), (16, 12, 4), (26, 20, 6)])
def test_of_fewer_pairs_the_nearest_are_made(pairs: int, forward: int, backward: int) -> None:
    events = [(0, 1 + number, 1.0) for number in range(25)]
    found, whole = (Rings(1, 30).fold(events, 0, number) for number in (pairs, ALL))
    assert set(rows(found)) <= set(rows(whole))
    last = found.only((found.offsets == 24) & (found.others != NO_KEY))
    assert last.items[last.others == 25].tolist() == [24 - k for k in range(forward)]
    assert last.others[last.items == 25].tolist() == [24 - k for k in range(backward)]


def test_a_session_is_a_users_day() -> None:
    one, other = user_key("a"), user_key("b")
    day = T0 - T0 % SESSION_MS
    assert session_key(one, day) == session_key(one, day + SESSION_MS - 1)
    keys = {session_key(user, time) for user in (one, other) for time in (day, day + SESSION_MS, day - 1)}
    assert len(keys) == 6
    assert 0 not in keys
