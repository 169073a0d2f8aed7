"""Items' states after signals, against arithmetic that keeps everything."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.items.fold import update
from streams.items.layout import BLOCK_MS, HALF_LIVES_MS, NEIGHBOURS, RECENT_HALF_LIFE_MS, SESSIONS, empty
from streams.items.signals import NO_KEY, ItemSignals, Longs
from streams.kernels.compiling import compiled, numpy_only
from tests.streams.items.parts import T0, drawn, signals_of

YEAR = 365 * 86_400_000


def folded(signals: ItemSignals, positions: Longs, items: int, cuts: list[int]) -> Any:
    states, ends = empty(items), [0, *sorted(cuts), len(signals)]
    for begin, end in pairwise(ends):
        part = np.arange(begin, end)
        update(states, positions[part], signals.only(part))
    return states


@given(
    seed=st.integers(0, 2**32),
    number=st.integers(0, 600),
    others=st.sampled_from([5, 90, 150, 70_000]),
    span=st.sampled_from([1, 10**9, 8 * YEAR]),
    cuts=st.lists(st.integers(0, 600), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_a_state_depends_neither_on_batches_nor_on_compiled_code(
    seed: int, number: int, others: int, span: int, cuts: list[int]
) -> None:
    assert compiled()
    signals, positions = drawn(seed, number, 3, others, span)
    whole = folded(signals, positions, 3, [])
    assert folded(signals, positions, 3, [min(cut, number) for cut in cuts]).tobytes() == whole.tobytes()
    with numpy_only():
        assert folded(signals, positions, 3, []).tobytes() == whole.tobytes()


def test_keys_with_the_same_low_bits_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    rows = [(9, (int(rng.integers(1, 140)) << 16) + int(rng.integers(1, 3)), 0.5, T0, 0) for _ in range(2000)]
    signals, positions = signals_of(rows), np.zeros(2000, dtype=np.int64)
    whole = folded(signals, positions, 1, [])
    with numpy_only():
        assert folded(signals, positions, 1, []).tobytes() == whole.tobytes()


def test_states_may_be_fields_of_larger_rows() -> None:
    signals, positions = drawn(1, 300, 3, 150)
    rows = np.zeros(3, dtype=[("offset", "<i8"), ("item", empty(0).dtype)])
    update(rows["item"], positions, signals)
    assert rows["item"].tobytes() == folded(signals, positions, 3, []).tobytes()


@given(seed=st.integers(0, 2**32), number=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_sums_of_uses_are_decayed_to_the_newest_whatever_their_order(seed: int, number: int) -> None:
    signals, positions = drawn(seed, number, 2, 50, 10**9)
    states = folded(signals, positions, 2, [])
    for item in range(2):
        own = signals.only((positions == item) & (signals.others == NO_KEY))
        state = states[item]
        assert state["uses"] == len(own)
        if len(own):
            assert (state["newest"], state["first"]) == (own.times.max(), own.times.min())
            elapsed = (own.times.max() - own.times)[:, None] / np.array(HALF_LIVES_MS)
            expected = (own.weights[:, None] * np.exp2(-elapsed)).sum(axis=0)
            np.testing.assert_allclose(state["sums"], expected, rtol=1e-9)
            last = list(dict.fromkeys(reversed(own.sessions.tolist())))[:SESSIONS]
            if len(set(own.sessions.tolist())) <= SESSIONS:
                assert set(state["sessions"].tolist()) - {0} == set(last)


@given(seed=st.integers(0, 2**32), others=st.sampled_from([3, 60, NEIGHBOURS]))
@settings(max_examples=30, deadline=None)
def test_up_to_a_full_list_of_neighbours_nothing_is_lost(seed: int, others: int) -> None:
    signals, positions = drawn(seed, 800, 2, others, 2 * YEAR)
    states = folded(signals, positions, 2, [])
    for item in range(2):
        own = signals.only((positions == item) & (signals.others != NO_KEY))
        lasting: dict[int, float] = defaultdict(float)
        recent: dict[int, float] = defaultdict(float)
        begin = int(own.times.max() // BLOCK_MS * BLOCK_MS)
        for other, weight, time in zip(
            own.others.tolist(), own.weights.tolist(), own.times.tolist(), strict=True
        ):
            lasting[other] += weight
            recent[other] += weight * 2.0 ** ((time - begin) / RECENT_HALF_LIFE_MS)
        assert states[item]["block"] == begin // BLOCK_MS
        assert listed(states[item], "lasting") == pytest.approx(dict(lasting), rel=1e-5)
        assert listed(states[item], "recent") == pytest.approx(dict(recent), rel=1e-4)


def listed(state: Any, name: str) -> dict[int, float]:
    count = int(state["neighbours"])
    assert (state[name][count:] == NO_KEY).all()
    assert len(set(state[name][:count].tolist())) == count
    return dict(zip(state[name].tolist()[:count], state[f"{name}_weights"].tolist()[:count], strict=True))


def full(weight: float) -> list[tuple[int, int, float, int, int]]:
    """Signals that fill item 1's lists with the others 1 to NEIGHBOURS, of which the first is the weakest."""
    return [(1, other, weight + (other > 1) / 8, T0, 0) for other in range(1, NEIGHBOURS + 1)]


def test_the_recent_list_drops_its_smallest() -> None:
    states = empty(1)
    signals = signals_of([*full(0.5), (1, 777, 0.25, T0, 0)])
    update(states, np.zeros(len(signals), dtype=np.int64), signals)
    assert 777 not in listed(states[0], "recent")
    signals = signals_of([(1, 777, 0.5, T0, 0)])
    update(states, np.zeros(1, dtype=np.int64), signals)
    known = listed(states[0], "recent")
    assert 1 not in known
    assert known[777] == pytest.approx(0.5 * 2 ** ((T0 % BLOCK_MS) / RECENT_HALF_LIFE_MS), rel=1e-5)


def test_random_admission_keeps_the_expectation_of_a_sum() -> None:
    """A newcomer of weight x is expected to stand at x: it comes in at m + x with probability x / (m + x)."""
    trials, x = 4000, 0.25
    base, states = signals_of(full(0.5)), empty(trials)
    update(states[:1], np.zeros(len(base), dtype=np.int64), base)
    states[:] = states[0]
    rows = [(1, 1000 + trial, x, T0, 0) for trial in range(trials)]
    update(states, np.arange(trials), signals_of(rows))
    stands = [listed(states[trial], "lasting").get(1000 + trial, 0.0) for trial in range(trials)]
    assert set(stands) == {0.0, 0.75}
    assert np.mean(stands) == pytest.approx(x, rel=0.1)
    assert all(
        (1 in listed(state, "lasting")) == (stand == 0) for state, stand in zip(states, stands, strict=True)
    )


def test_the_ring_keeps_the_last_sessions_each_once() -> None:
    rows = [(1, 0, 1.0, T0, session) for session in [*range(1, SESSIONS + 3), SESSIONS, 5]]
    states = empty(1)
    update(states, np.zeros(len(rows), dtype=np.int64), signals_of(rows))
    assert states[0]["uses"] == len(rows)
    assert set(states[0]["sessions"].tolist()) == set(range(3, SESSIONS + 3))
