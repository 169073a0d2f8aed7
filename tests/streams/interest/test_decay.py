"""The decay model against its formula, written out in float64 one event at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.interest import Signals, schedule
from streams.interest.base import NO_ITEM, running_times, unit
from streams.interest.decay import DecayModel, HalfLife

DIM = 4
T0 = 1_600_000_000_000


def run(model: DecayModel, times: list[int], weights: list[float], vectors: Any) -> Any:
    plan = schedule(np.zeros(len(times), dtype=np.int64))
    states = np.zeros(1, dtype=model.state_dtype())
    model.update(
        states,
        Signals(
            plan.starts,
            plan.users,
            np.array(times, dtype=np.int64),
            np.array(weights, dtype=np.float32),
            np.asarray(vectors, dtype=np.float32),
            np.full(len(times), NO_ITEM, dtype=np.int64),
        ),
    )
    return states[0]


def test_half_life_in_seconds_halves() -> None:
    model = DecayModel(DIM, HalfLife(10.0), HalfLife(100.0))
    state = run(model, [T0, T0 + 10_000], [1.0, 1.0], np.eye(DIM)[:2])
    assert state["sums"][0][:2] == pytest.approx([0.5, 1.0])
    assert state["sums"][1][:2] == pytest.approx([2**-0.1, 1.0])


def test_half_life_in_events_ignores_time() -> None:
    model = DecayModel(DIM, HalfLife(2, "events"), HalfLife(1, "events"))
    state = run(model, [T0, T0, T0 + 10**9], [1.0, 1.0, 1.0], np.eye(DIM)[:3])
    assert state["sums"][0][:3] == pytest.approx([0.5, 2**-0.5, 1.0])
    assert state["sums"][1][:3] == pytest.approx([0.25, 0.5, 1.0])


def test_a_late_event_decays_by_its_lateness_and_moves_no_time_back() -> None:
    model = DecayModel(DIM, HalfLife(10.0), HalfLife(100.0))
    state = run(model, [T0 + 10_000, T0], [1.0, 1.0], np.eye(DIM)[:2])
    assert state["time"] == T0 + 10_000
    assert state["sums"][0][:2] == pytest.approx([1.0, 0.5])


@given(
    events=st.lists(
        st.tuples(st.integers(0, 100_000), st.floats(-3, 3), st.integers(0, DIM - 1)), min_size=1, max_size=30
    )
)
@settings(max_examples=100)
def test_any_order_gives_the_closed_form(events: Any) -> None:
    """S = sum of w * 2^(-(T - t) / h) * v with T the newest time, in whatever order the events came."""
    model = DecayModel(DIM, HalfLife(20.0), HalfLife(50.0))
    state = run(
        model,
        [T0 + t for t, _, _ in events],
        [w for _, w, _ in events],
        np.eye(DIM)[[v for _, _, v in events]],
    )
    newest = max(t for t, _, _ in events)
    for index, half_life in enumerate((20.0, 50.0)):
        expected = np.zeros(DIM)
        for t, w, v in events:
            expected[v] += np.float32(w) * 2.0 ** (-(newest - t) / 1000.0 / half_life)
        assert state["sums"][index] == pytest.approx(expected, abs=1e-4)


@given(
    rows=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    data=st.data(),
)
@settings(max_examples=100)
def test_running_times_equal_a_loop(rows: list[int], data: Any) -> None:
    times = data.draw(st.lists(st.integers(0, 50), min_size=len(rows), max_size=len(rows)))
    plan = schedule(np.array(rows, dtype=np.int64))
    initial = np.arange(len(plan.touched), dtype=np.int64) * 7
    zeros = np.zeros(len(rows), dtype=np.float32)
    when = np.array(times, dtype=np.int64)[plan.order]
    signals = Signals(
        plan.starts, plan.users, when, zeros, zeros[:, None], np.zeros(len(rows), dtype=np.int64)
    )
    before, after = running_times(signals, initial)
    state = initial.copy()
    for index, (user, time) in enumerate(zip(plan.users.tolist(), when.tolist(), strict=True)):
        assert before[index] == state[user]
        state[user] = max(state[user], time)
        assert after[index] == state[user]


@given(rows=st.lists(st.integers(0, 9), min_size=1, max_size=80))
@settings(max_examples=100)
def test_rounds_are_contiguous_and_in_log_order(rows: list[int]) -> None:
    plan = schedule(np.array(rows, dtype=np.int64))
    seen: dict[int, list[int]] = {}
    for begin, end in zip(plan.starts[:-1], plan.starts[1:], strict=True):
        assert plan.users[begin:end].tolist() == list(range(end - begin))
        for index in plan.order[begin:end].tolist():
            seen.setdefault(rows[index], []).append(index)
    assert seen == {row: [i for i, r in enumerate(rows) if r == row] for row in set(rows)}


def test_unit_keeps_zero_rows() -> None:
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)).tolist() == [
        pytest.approx([0.6, 0.8]),
        [0.0, 0.0],
    ]


@pytest.mark.parametrize(
    "other",
    [
        DecayModel(DIM, HalfLife(20.0), HalfLife(50.0)),
        DecayModel(DIM, HalfLife(10.0, "events"), HalfLife(50.0)),
        DecayModel(DIM, HalfLife(10.0), HalfLife(60.0)),
        DecayModel(DIM, HalfLife(10.0), HalfLife(50.0, "events")),
        DecayModel(DIM, HalfLife(10.0), HalfLife(50.0), 0.4),
    ],
)
def test_each_hyper_parameter_is_in_the_version(other: DecayModel) -> None:
    model = DecayModel(DIM, HalfLife(10.0), HalfLife(50.0))
    assert model.version != other.version
    assert model.version == DecayModel(DIM, HalfLife(10), HalfLife(50), 0.5).version
