"""What every interest model shares: signals in rounds, and the contract.

The fold is sequential in log order per user and vectorised over users: round k applies the k-th signal of
every user in the batch. Users are ordered by their number of signals, most first, so that round k touches
just the first m_k states, a contiguous slice, and each user's arithmetic is the same whatever the batch
boundaries were. That is what makes a replay equal the live run bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from streams.kernels import directions, sums
from streams.kernels.compiling import compiled

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
States = npt.NDArray[Any]  # structured rows; the model's dtype says which fields
NO_ITEM = -1


class Signals:
    """A batch's signals, ordered by round, within a round by the user's position.

    starts: (R + 1,) round k is `slice(starts[k], starts[k + 1])`. It holds the k-th signal, from 0, of every user with
        more than k signals. Its i-th signal belongs to states[i]: a round of m signals writes states[:m]. A plain loop
        over the rounds is enough for a model.
    users: (n,) position of the signal's user among the touched states.
    times: (n,) event time, milliseconds since the epoch.
    weights: (n,) signed weight of the signal.
    vectors: (n, dim) what the event was about, float32: the item's row of the catalog, usually a unit row; with a text
        that plus a share of the text's, of another length. An explainable model must not rescale them. Made of `table`
        when first asked for.
    table, at: (m, dim) and (n,), the vectors as rows of a table, for a model that need not have them side by side.
    items: (n,) catalog row of the event's item; NO_ITEM for an event that is its text alone. Keep none in a state:
        after a restart the same item may have another row.
    """

    def __init__(
        self,
        starts: Longs,
        users: Longs,
        times: Longs,
        weights: Floats,
        vectors: Floats,
        items: Longs,
        at: Longs | None = None,
    ) -> None:
        """at: (n,) row of `vectors` of each signal; None where they are the signals' own, in order."""
        self.starts, self.users, self.times, self.weights, self.items = starts, users, times, weights, items
        self.table, self._at = vectors, at

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def vectors(self) -> Floats:
        """(n, dim)."""
        return self.table if self._at is None else np.take(self.table, self._at, axis=0)

    @property
    def at(self) -> Longs:
        """(n,) row of `table` of each signal's vector."""
        return np.arange(len(self)) if self._at is None else self._at

    def between(self, begin: int, end: int) -> Signals:
        """Those from `begin` to `end`, which are of one round."""
        part = slice(begin, end)
        columns = self.users[part], self.times[part], self.weights[part]
        starts = np.array([0, end - begin], dtype=np.int64)
        return Signals(starts, *columns, self.table, self.items[part], self.at[part])


@dataclass(frozen=True, slots=True)
class ItemDeltas:
    """What a batch's signals say of items, for a model that learns of items from all users. Nothing reads them yet.

    items: (m,) catalog row that each delta is for.
    signals: (m,) position in `Signals` of the signal that the delta comes from.
    values: (m,) structured rows; the model says which fields.
    """

    items: Longs
    signals: Longs
    values: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What an update did beside changing the states.

    late: signals that were older than the newest one of their user.
    deltas: what the signals say of items; None from a model that learns of users alone.
    """

    late: int
    deltas: ItemDeltas | None = None


@dataclass(frozen=True, slots=True)
class Interests:
    """What U users are interested in, as n vectors each.

    vectors: (U, n, dim) float32, unit rows, or zeros where a user has fewer or where interests cancel out.
    shares: (U, n) float32 weight of each vector, at least 0; 1 for a model with one vector per user.
    """

    vectors: Floats
    shares: Floats

    @classmethod
    def single(cls, vectors: Floats) -> Interests:
        """Interests of one vector per user. vectors: (U, dim)."""
        return cls(vectors[:, None, :], np.ones((len(vectors), 1), dtype=np.float32))


def running_times(signals: Signals, initial: Longs) -> tuple[Longs, Longs]:
    """The state's time before and after each signal, (n,) each, milliseconds; it never moves back.

    initial: (U,) the states' times before the batch.
    """
    if compiled():
        before, after = np.empty_like(signals.times), np.empty_like(signals.times)
        sums.running_times(signals.starts, signals.times, np.ascontiguousarray(initial), before, after)
        return before, after
    return _running_times(signals, initial)


def _running_times(signals: Signals, initial: Longs) -> tuple[Longs, Longs]:
    by_user = np.argsort(signals.users, kind="stable")
    users, times = signals.users[by_user], signals.times[by_user]
    if not len(times):
        return times, times
    # A running maximum per user in one pass: each user's times are lifted above those of the one before.
    base = min(int(times.min()), int(initial.min()))
    lift = max(int(times.max()), int(initial.max())) - base + 1
    first = np.concatenate(([True], users[1:] != users[:-1]))
    start = initial[users]
    lifted = users * lift + (np.where(first, np.maximum(times, start), times) - base)
    after = np.maximum.accumulate(lifted) - users * lift + base
    before = np.where(first, start, np.concatenate(([0], after[:-1])))
    unordered_before, unordered_after = np.empty_like(before), np.empty_like(after)
    unordered_before[by_user], unordered_after[by_user] = before, after
    return unordered_before, unordered_after


def unit(vectors: Floats) -> Floats:
    """Rows (n, dim) scaled to length 1; zero rows stay zero. A row's bits depend on that row alone."""
    if compiled() and vectors.dtype == np.float32 and vectors.size:
        out = np.empty(vectors.shape, dtype=np.float32)
        dim = vectors.shape[-1]
        raise_overflown(directions.unit(np.ascontiguousarray(vectors).reshape(-1, dim), out.reshape(-1, dim)))
        return out
    norms = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True, dtype=np.float32))
    units: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return units


def raise_overflown(lengths: int) -> None:
    """Raises FloatingPointError where lengths overflowed and numpy would raise it."""
    if lengths and np.geterr()["over"] == "raise":
        raise FloatingPointError("overflow encountered in multiply")


class InterestModel(Protocol):
    """Folds signals into states of fixed size.

    name: as in the registry and in what is published.
    version: a short text that differs where a hyper-parameter or a fitted file differs, and is the same on every
        machine. It is part of the state layout's id, so that a worker refuses states that another version built.
    """

    name: str
    dim: int
    version: str

    def state_dtype(self) -> np.dtype[Any]:
        """Structured dtype of one user's state; all zeros is the state of a user never seen.

        The topics' bounds follow from its size.
        """
        ...

    def update(self, states: States, signals: Signals) -> Change:
        """Fold the signals into states (U,), in place.

        Deterministic, per user in log order.
        """
        ...

    def times(self, states: States) -> Longs:
        """(U,) event time of each state, milliseconds; 0 for a user never seen."""
        ...

    def counts(self, states: States) -> Longs:
        """(U,) signals folded into each state so far."""
        ...

    def interest(self, states: States) -> Interests:
        """The published vectors of states (U,), of the same number n of vectors for every state."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """An interest model that can say exactly how much each event has in its vectors.

    A model need not be explainable; then recommendations give no event as a reason.
    """

    def coefficients(self, states: States, times: Longs, weights: Floats, ordinals: Longs) -> Floats:
        """(U, n, H) factor of each remembered event's vector in each vector of `interest`; 0 where it has no part.

        times: (U, H) milliseconds. weights: (U, H) the events' signed weights, 0 in empty places.
        ordinals: (U, H) which of the user's signals each event is: 0 for the first. It is what `counts` gave just
            before the event was folded, so `counts - 1 - ordinal` signals came after it.
        """
        ...
