"""The interest after each signal of a batch, for whoever publishes a vector per event."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from streams.interest.base import Change, InterestModel, Interests, ItemDeltas, Longs, Signals, States


@dataclass(frozen=True, slots=True)
class Steps:
    """What n signals made of their users' interests, in round order."""

    # Of n "users": one per signal.
    interests: Interests
    # (n,) signals folded into the state then.
    counts: Longs
    # (n,) event time of the state then, milliseconds.
    times: Longs


@runtime_checkable
class Stepwise(Protocol):
    """An interest model that finds the steps of a batch at once; of others, `update_each` folds round by round."""

    def update_stepwise(self, states: States, signals: Signals) -> tuple[Change, Steps]:
        """As `update`, and the steps; the same bits as `by_rounds`."""
        ...


def update_each(model: InterestModel, states: States, signals: Signals) -> tuple[Change, Steps]:
    """Fold the signals into states (U,), in place, and say what each made of its user's interest."""
    if isinstance(model, Stepwise):
        return model.update_stepwise(states, signals)
    return by_rounds(model, states, signals)


def by_rounds(model: InterestModel, states: States, signals: Signals) -> tuple[Change, Steps]:
    """The same for any model: one round after the other, which changes no bit."""
    late, steps, deltas = 0, list[Steps](), list[ItemDeltas]()
    # Also without a signal, for the shapes.
    for begin, end in pairwise(signals.starts.tolist() if len(signals) else [0, 0]):
        some = states[: end - begin]
        change = model.update(some, signals.between(begin, end))
        late += change.late
        if (delta := change.deltas) is not None:
            deltas.append(ItemDeltas(delta.items, delta.signals + begin, delta.values))
        steps.append(Steps(model.interest(some), model.counts(some).copy(), model.times(some).copy()))
    interests = Interests(
        np.concatenate([step.interests.vectors for step in steps]),
        np.concatenate([step.interests.shares for step in steps]),
    )
    counts, times = (np.concatenate([getattr(step, name) for step in steps]) for name in ("counts", "times"))
    return Change(late, _joined(deltas)), Steps(interests, counts, times)


def _joined(deltas: list[ItemDeltas]) -> ItemDeltas | None:
    if not deltas:
        return None
    return ItemDeltas(
        np.concatenate([delta.items for delta in deltas]),
        np.concatenate([delta.signals for delta in deltas]),
        np.concatenate([delta.values for delta in deltas]),
    )
