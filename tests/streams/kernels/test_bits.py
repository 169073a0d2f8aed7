"""Compiled loops and their numpy twins agree in every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.flow import Flow, Updated
from streams.interest import Signals, schedule
from streams.interest.base import running_times, unit
from streams.interest.decay import DecayModel, HalfLife
from streams.kernels.compiling import compiled, numpy_only
from tests.streams.columns import columns_of
from tests.streams.flows import T0, Record, make_flow, record, settle

DIMS = st.sampled_from([1, 7, 8, 16, 128, 130, 300])
SPECIAL = [0.0, -0.0, 1e-40, -1e-45, 1e19, np.inf, -np.inf, np.nan]


def bits(values: Any) -> Any:
    """Every bit of numbers; all that are none are alike, for which of two operands passes its own on is no matter."""
    return np.where(np.isnan(values), np.float32(np.nan), values).tobytes()


def drawn(seed: int, shape: tuple[int, ...], special: float) -> Any:
    """Float32 numbers of many sizes; so many of them special, and a row of zeros."""
    rng = np.random.default_rng(seed)
    found = (rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)).astype(np.float32)
    chosen = rng.random(shape) < special
    found[chosen] = rng.choice(np.array(SPECIAL, np.float32), int(chosen.sum()))
    found.reshape(-1, shape[-1])[0] = 0
    return found


def in_both(compute: Any) -> tuple[Any, Any]:
    """What it gives compiled, and in numpy."""
    assert compiled()
    with np.errstate(all="ignore"):
        first = compute()
        with numpy_only():
            return first, compute()


@given(seed=st.integers(0, 2**32), dim=DIMS, special=st.sampled_from([0.0, 0.01, 0.3]))
@settings(max_examples=40, deadline=None)
def test_directions(seed: int, dim: int, special: float) -> None:
    vectors = drawn(seed, (9, dim), special)
    first, second = in_both(lambda: unit(vectors))
    assert bits(first) == bits(second)
    model = DecayModel(dim, HalfLife(3.0), HalfLife(30.0), short_share=0.3)
    states = np.zeros(9, model.state_dtype())
    states["sums"] = drawn(seed + 1, (9, 2, dim), special)
    first, second = in_both(lambda: model.interest(states).vectors)
    assert bits(first) == bits(second)


@given(
    seed=st.integers(0, 2**32),
    dim=DIMS,
    special=st.sampled_from([0.0, 0.01]),
    users=st.integers(1, 40),
    count=st.integers(0, 120),
    short=st.sampled_from([HalfLife(2.5, "events"), HalfLife(20.0)]),
)
@settings(max_examples=40, deadline=None)
def test_decayed_sums(seed: int, dim: int, special: float, users: int, count: int, short: HalfLife) -> None:
    rng = np.random.default_rng(seed)
    model = DecayModel(dim, short, HalfLife(300.0))
    rows = rng.zipf(1.3, count) % users
    times = T0 + rng.integers(-(10**6), 10**6, count)
    weights = rng.standard_normal(count).astype(np.float32)
    table, at = drawn(seed, (30, dim), special), rng.integers(0, 30, count)

    def fold() -> tuple[Any, ...]:
        plan = schedule(rows)
        states = np.zeros(users, model.state_dtype())
        states["signals"] = np.arange(users) % 3
        states["time"] = np.where(states["signals"] > 0, T0, 0)
        states["sums"] = drawn(seed + 1, (users, 2, dim), special)
        some = states[: len(plan.touched)]
        signals = Signals(plan.starts, plan.users, times[plan.order], weights[plan.order], table, at, at=at)
        moved = running_times(signals, some["time"].copy())
        late = model.update(some, signals).late
        columns = (plan.touched, plan.order, plan.starts, plan.users, plan.occurrence, plan.counts, *moved)
        whole = [column.tolist() for column in (*columns, states["time"], states["signals"])]
        return late, whole, bits(states["sums"])

    first, second = in_both(fold)
    assert first == second


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5),  # user
        st.integers(-1, 9),  # item, of which two are unknown; -1 for none
        st.integers(0, 60),  # id
        st.integers(-50, 50),  # time
        st.sampled_from(["click", "rate", "view", "nothing of the kind"]),
        st.sampled_from([None, None, "words"]),
    ),
    max_size=60,
)


def records_of(events: list[tuple[Any, ...]], first: int) -> list[Record]:
    found = []
    for at, (user, item, number, time, action, text) in enumerate(events):
        fields: dict[str, Any] = {"event_id": f"e{number}", "timestamp": T0 + time * 1000, "action": action}
        if text is not None:
            fields["text"] = text
        if action == "rate":
            fields["value"] = number % 5 + 1
        found.append(record(first + at, f"u{user}", None if item < 0 else f"i{item}", **fields))
    return found


def folded(flow: Flow, batches: list[list[Record]]) -> list[Updated]:
    """As columns, where kernels read them."""
    kind = columns_of if compiled() else list
    return [settle(flow, 0, flow.decode(kind(records))) for records in batches if records]


@given(first=EVENTS, second=EVENTS, again=st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_a_fold_of_everything(first: Any, second: Any, again: int) -> None:
    """Repeats, duplicates, late events, texts, ratings, actions without a rule, items that come later or never."""
    batches = [records_of(first, 0), records_of(first[again:], again) + records_of(second, len(first))]

    def fold() -> Any:
        flow = make_flow(default_action_weight=0.5, history_length=4, dedupe_window=3)
        made = folded(flow, batches)
        return [(u.state, u.vectors, u.outcomes, u.rows.tolist()) for u in made], flow.partitions[0].books

    one, other = in_both(fold)
    assert one == other


def test_a_length_that_overflows_is_told_where_numpy_tells_it() -> None:
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        unit(np.full((2, 3), 3e38, dtype=np.float32))
    with np.errstate(over="raise", invalid="ignore"):
        unit(np.full((2, 3), np.inf, dtype=np.float32))
