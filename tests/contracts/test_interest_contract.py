"""What every interest model promises; runs over each entry of MODELS by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.interest import MODELS, Signals, schedule
from streams.interest.base import Explainable, Interests
from streams.interest.steps import update_each
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
    plan = schedule(np.array([entry[0] for entry in log], dtype=np.int64))
    signals = signals_of(plan, log)
    items = signals.items
    touched = states[plan.touched]
    change = model.update(touched, signals)
    if change.deltas is not None:
        assert len(change.deltas.items) == len(change.deltas.signals) == len(change.deltas.values)
        assert set(change.deltas.items.tolist()) <= set(items.tolist())
        assert set(change.deltas.signals.tolist()) <= set(range(len(log)))
    states[plan.touched] = touched


def signals_of(plan: Any, log: list[tuple[int, int, float, int]]) -> Signals:
    """(user, time ms, weight, vector seed) as signals of these rounds."""
    order = plan.order
    times = np.array([entry[1] for entry in log], dtype=np.int64)[order]
    weights = np.array([entry[2] for entry in log], dtype=np.float32)[order]
    vectors = np.stack([vector(entry[3]) for entry in log] or [vector(0)])[: len(log)][order]
    items = np.array([entry[3] for entry in log], dtype=np.int64)[order]
    return Signals(plan.starts, plan.users, times, weights, vectors, items)


def vector(seed: int) -> Any:
    """Of length 1, or another one, as of an item with a text."""
    values = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return values / np.linalg.norm(values) * np.float32(1 + seed % 3 / 4)


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
@settings(max_examples=150)
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
@settings(max_examples=100)
def test_other_users_do_not_matter(name: str, log: Any, seed: int) -> None:
    """However the users' events interleave, each user's state is the same."""
    model = make(name)
    mixed, alone = (np.zeros(USERS, dtype=model.state_dtype()) for _ in range(2))
    fold(model, mixed, log)
    for user in range(USERS):
        fold(model, alone, [entry for entry in log if entry[0] == user])
    assert mixed.tobytes() == alone.tobytes()


def test_interests_are_unit_rows_or_zero_with_shares(model: Any) -> None:
    states = np.zeros(USERS, dtype=model.state_dtype())
    fold(model, states, [(0, 1_600_000_000_000, 1.0, 1), (1, 1_600_000_000_000, -2.0, 2)])
    found = model.interest(states)
    assert isinstance(found, Interests)
    users, number, dim = found.vectors.shape
    assert (users, dim, found.shares.shape) == (USERS, DIM, (USERS, number))
    assert (found.vectors.dtype, found.shares.dtype) == (np.float32, np.float32)
    assert (found.shares >= 0).all()
    lengths = np.linalg.norm(found.vectors, axis=2)
    assert lengths[2:] == pytest.approx(0, abs=1e-6)
    assert lengths[:2].max(axis=1) == pytest.approx(1, abs=1e-6)
    assert ((lengths < 1e-6) | (np.abs(lengths - 1) < 1e-6)).all()


def test_a_dislike_points_away(model: Any) -> None:
    states = np.zeros(1, dtype=model.state_dtype())
    fold(model, states, [(0, 1_600_000_000_000, -1.0, 3)])
    found = model.interest(states)
    scores = found.vectors[0] @ vector(3)
    assert (scores <= 1e-6).all()
    assert scores.min() == pytest.approx(-1.0, abs=1e-6)


def test_late_signals_are_counted(model: Any) -> None:
    plan = schedule(np.zeros(3, dtype=np.int64))
    times = np.array([5000, 4000, 6000], dtype=np.int64)
    ones, vectors = np.ones(3, np.float32), np.stack([vector(i) for i in range(3)])
    signals = Signals(plan.starts, plan.users, times, ones, vectors, np.arange(3))
    assert model.update(np.zeros(1, dtype=model.state_dtype()), signals).late == 1


def test_the_version_is_a_short_text_that_is_the_same_each_time(model: Any) -> None:
    assert 0 < len(model.version) <= 200
    assert make(model.name).version == model.version


@pytest.mark.parametrize("name", sorted(MODELS))
@given(log=LOGS)
@settings(max_examples=100)
def test_each_step_is_the_interest_after_its_signal(name: str, log: Any) -> None:
    model, users = make(name), np.array([entry[0] for entry in log], dtype=np.int64)
    plan = schedule(users)
    together, alone = (np.zeros(len(plan.touched), dtype=model.state_dtype()) for _ in range(2))
    signals = signals_of(plan, log)
    change, steps = update_each(model, together, signals)
    late = 0
    for at in range(len(log)):
        user = slice(int(plan.users[at]), int(plan.users[at]) + 1)
        one = signals.between(at, at + 1)
        one.users = np.zeros(1, dtype=np.int64)
        late += model.update(alone[user], one).late
        found = model.interest(alone[user])
        assert found.vectors[0].tobytes() == steps.interests.vectors[at].tobytes()
        assert found.shares[0].tobytes() == steps.interests.shares[at].tobytes()
        assert (model.counts(alone[user])[0], model.times(alone[user])[0]) == (
            steps.counts[at],
            steps.times[at],
        )
    assert together.tobytes() == alone.tobytes()
    assert change.late == late
    assert len(steps.counts) == len(steps.times) == len(steps.interests.vectors) == len(log)


@pytest.mark.parametrize("name", sorted(MODELS))
@given(log=LOGS)
@settings(max_examples=100)
def test_coefficients_rebuild_the_interest(name: str, log: Any) -> None:
    """interest = sum of coefficient * vector over all of a user's events, where a model is explainable."""
    model = make(name)
    if not isinstance(model, Explainable):
        pytest.skip("the model does not say how much each event has in an interest")
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
        found = model.interest(states[user : user + 1]).vectors
        assert parts.shape == (1, found.shape[1], len(own))
        for number, row in enumerate(parts[0]):
            if not np.isfinite(row).all() or np.abs(row).sum() > 50:
                continue  # interests that all but cancel out: the direction of what is left is rounding
            rebuilt = row @ np.stack([vector(entry[3]) for entry in own])
            assert rebuilt == pytest.approx(found[0, number], abs=2e-3)
