"""The rounds of a batch's signals; `base` says why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.kernels import rows
from streams.kernels.compiling import compiled

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a batch's signals fall into rounds.

    touched: (U,) the distinct rows, by number of signals, most first, then by first appearance.
    order: (n,) indices of the signals in round order. starts: (R + 1,) as in `Signals`.
    users: (n,) position in `touched` of each signal, in round order.
    occurrence: (n,) which signal of its user each is (0, 1, …), in round order. counts: (U,).
    """

    touched: Longs
    order: Longs
    starts: Longs
    users: Longs
    occurrence: Longs
    counts: Longs


def schedule(user_rows: Longs) -> Schedule:
    """Rounds of the signals whose users' rows are these (n,), in log order."""
    if compiled():
        return Schedule(*rows.rounds(np.ascontiguousarray(user_rows)))
    distinct, first, inverse, counts = np.unique(
        user_rows, return_index=True, return_inverse=True, return_counts=True
    )
    by_count = np.lexsort((first, -counts))
    position = np.empty(len(distinct), dtype=np.int64)
    position[by_count] = np.arange(len(distinct))
    users = position[inverse]
    counts = counts[by_count]
    occurrence = occurrences(users, counts)
    order = np.lexsort((users, occurrence))
    starts = np.concatenate(([0], np.cumsum(np.bincount(occurrence)))).astype(np.int64)
    return Schedule(distinct[by_count], order, starts, users[order], occurrence[order], counts)


def occurrences(users: Longs, counts: Longs) -> Longs:
    """(n,) which of its user's each entry is (0, 1, …), in the order given. counts: (U,) entries per user."""
    grouped = np.argsort(users, kind="stable")
    found = np.empty(len(users), dtype=np.int64)
    found[grouped] = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    return found


def distinct(values: Longs) -> tuple[Longs, Longs]:
    """The distinct values by first appearance, and (n,) which of them each is."""
    if compiled():
        found, of = rows.places(np.zeros(0, dtype=np.int64), np.ascontiguousarray(values))
        return found, of
    found, first, of = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return found[order], np.argsort(order)[of]
