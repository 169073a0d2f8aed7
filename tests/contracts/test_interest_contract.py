"""What every interest model promises; runs over each entry of MODELS by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.interest import MODELS, Signals, schedule
from streams.settings.settings import Settings

DIM = 8
# More than the decay model folds user by user, so that both of its ways are taken.
USERS = 12


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> Any:
    return make(request.param)


def make(name: str) -> Any:
    return MODELS.build(
        name, Settings(dimensions=DIM, short_half_life=3, short_half_life_unit="events", long_half_life=3600)
    )


def fold(model: Any, states: Any, log: list[tuple[int, int, float, int]]) -> None:
    """Fold (user, time ms, weight, vector seed) into the states of all users, in place."""
    if not log:
        return
    users = np.array([entry[0] for entry in log], dtype=np.int64)
    plan = schedule(users)
    order = plan.order
    times = np.array([entry[1] for entry in log], dtype=np.int64)[order]
    weights = np.array([entry[2] for entry in log], dtype=np.float32)[order]
    vectors = np.stack([vector(entry[3]) for entry in log])[order]
    touched = states[plan.touched]
    model.update(touched, Signals(plan.starts, plan.users, times, weights, vectors))
    states[plan.touched] = touched


def vector(seed: int) -> Any:
    values = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return values / np.linalg.norm(values)


LOGS = st.lists(
    st.tuples(
        st.integers(0, USERS - 1),
        st.integers(1_600_000_000_000, 1_600_000_600_000),
        st.sampled_from([1.0, -1.0, 0.5, 3.0, 0.0]),
        st.integers(0, 6),
    ),
    max_size=80,
)


@pytest.mark.parametrize("name", sorted(MODELS))
@given(log=LOGS, cuts=st.sets(st.integers(0, 80), max_size=6))
@settings(max_examples=150, deadline=None)
def test_batch_boundaries_do_not_change_a_bit(name: str, log: Any, cuts: set[int]) -> None:
    model = make(name)
    whole, parts = (np.zeros(USERS, dtype=model.state_dtype()) for _ in range(2))
    fold(model, whole, log)
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    for begin, end in pairwise(edges):
        fold(model, parts, log[begin:end])
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("name", sorted(MODELS))
@given(log=LOGS, seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_other_users_do_not_matter(name: str, log: Any, seed: int) -> None:
    """However the users' events interleave, each user's state is the same."""
    model = make(name)
    mixed, alone = (np.zeros(USERS, dtype=model.state_dtype()) for _ in range(2))
    fold(model, mixed, log)
    for user in range(USERS):
        fold(model, alone, [entry for entry in log if entry[0] == user])
    assert mixed.tobytes() == alone.tobytes()


def test_interest_is_a_unit_row_or_zero(model: Any) -> None:
    states = np.zeros(USERS, dtype=model.state_dtype())
    fold(model, states, [(0, 1_600_000_000_000, 1.0, 1), (1, 1_600_000_000_000, -2.0, 2)])
    lengths = np.linalg.norm(model.interest(states), axis=1)
    assert lengths == pytest.approx([1, 1] + [0] * (USERS - 2), abs=1e-6)


def test_a_dislike_points_away(model: Any) -> None:
    states = np.zeros(1, dtype=model.state_dtype())
    fold(model, states, [(0, 1_600_000_000_000, -1.0, 3)])
    assert float(model.interest(states)[0] @ vector(3)) == pytest.approx(-1.0, abs=1e-6)


def test_late_signals_are_counted(model: Any) -> None:
    plan = schedule(np.zeros(3, dtype=np.int64))
    times = np.array([5000, 4000, 6000], dtype=np.int64)
    signals = Signals(
        plan.starts, plan.users, times, np.ones(3, np.float32), np.stack([vector(i) for i in range(3)])
    )
    assert model.update(np.zeros(1, dtype=model.state_dtype()), signals) == 1


@pytest.mark.parametrize("name", sorted(MODELS))
@given(log=LOGS)
@settings(max_examples=100, deadline=None)
def test_coefficients_rebuild_the_interest(name: str, log: Any) -> None:
    """interest = sum of coefficient * vector over all of a user's events."""
    model = make(name)
    states = np.zeros(USERS, dtype=model.state_dtype())
    fold(model, states, log)
    for user in range(USERS):
        own = [entry for entry in log if entry[0] == user]
        if not own:
            continue
        times = np.array([[entry[1] for entry in own]], dtype=np.int64)
        weights = np.array([[entry[2] for entry in own]], dtype=np.float32)
        ordinals = np.arange(len(own), dtype=np.int64)[None]
        parts = model.coefficients(states[user : user + 1], times, weights, ordinals)
        if not np.isfinite(parts).all() or np.abs(parts).sum() > 50:
            continue  # interests that all but cancel out: the direction of what is left is rounding
        rebuilt = parts[0] @ np.stack([vector(entry[3]) for entry in own])
        assert rebuilt == pytest.approx(model.interest(states[user : user + 1])[0], abs=2e-3)
