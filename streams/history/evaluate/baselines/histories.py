"""What each user used, and decayed counts of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.ranking import Scores, SomeRows
from streams.history.evaluate.contender import Rows

DAY_MS = 86_400_000.0
# Half-lives that fit into a float64 with room for sums.
MOST_HALVINGS = 500.0


@dataclass(frozen=True, slots=True)
class Past:
    """What one user used, oldest first. rows: (n,) times: (n,) milliseconds. visits: (n,) number of the user's visit,
    from 0."""

    rows: Rows
    times: Rows
    visits: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def last(self, count: int) -> Past:
        """The last `count` uses."""
        start = max(0, len(self.rows) - count)
        return Past(self.rows[start:], self.times[start:], self.visits[start:])


class _Growing:
    """One user's columns, with room behind them."""

    __slots__ = ("count", "rows", "times", "visit", "visits")

    def __init__(self) -> None:
        self.rows, self.visits = np.zeros(8, np.int64), np.zeros(8, np.int64)
        self.times = np.zeros(8, np.int64)
        self.count = self.visit = 0

    def add(self, rows: SomeRows, time: int) -> None:
        stop = self.count + len(rows)
        if stop > len(self.rows):
            room = 2 * stop
            self.rows, self.times = _resized(self.rows, room), _resized(self.times, room)
            self.visits = _resized(self.visits, room)
        self.rows[self.count : stop] = rows
        self.times[self.count : stop] = time
        self.visits[self.count : stop] = self.visit
        self.count, self.visit = stop, self.visit + 1


def _resized(values: npt.NDArray[np.int64], room: int) -> npt.NDArray[np.int64]:
    found = np.zeros(room, values.dtype)
    found[: len(values)] = values
    return found


class Histories:
    """What each user used."""

    def __init__(self) -> None:
        self._of: dict[int, _Growing] = {}

    def __len__(self) -> int:
        """How many users there are."""
        return len(self._of)

    def add(self, user: int, rows: SomeRows, time: int) -> None:
        """One visit of a user; nothing where it has no rows."""
        if len(rows):
            self._of.setdefault(user, _Growing()).add(rows, time)

    def of(self, user: int) -> Past:
        """Views, good until the user's next visit."""
        found = self._of.get(user) or _Growing()
        n = found.count
        return Past(found.rows[:n], found.times[:n], found.visits[:n])

    def users(self) -> list[int]:
        """All users, in order of their first visit."""
        return list(self._of)


class DecayedCounts:
    """Sums per row that halve every half-life. Sums are kept as of a moment in the past, so they need no decaying."""

    def __init__(self, items: int, half_life_ms: float) -> None:
        """half_life_ms: 0 for none."""
        self.values: Scores = np.zeros(items)
        self._half_life, self._origin = half_life_ms, 0.0
        self._started = False

    def gain(self, time: int) -> float:
        """What a use at a time adds. It may move the moment as of which the sums are."""
        if not self._half_life:
            return 1.0
        if not self._started:
            self._origin, self._started = float(time), True
        halvings = (time - self._origin) / self._half_life
        if halvings > MOST_HALVINGS:
            self.values *= np.exp2(-np.floor(halvings))
            self._origin += np.floor(halvings) * self._half_life
            halvings -= np.floor(halvings)
        return float(np.exp2(halvings))

    def add(self, rows: SomeRows, time: int) -> None:
        """One use of each row. rows: (n,) distinct."""
        # Before the values are read, for it may scale them.
        gain = self.gain(time)
        self.values[rows] += gain


def shares(times: Rows, now: int, half_life_ms: float) -> Scores:
    """(n,) what is left now of uses at these times, 0 to 1. half_life_ms: 0 for no decay."""
    if not half_life_ms:
        return np.ones(len(times))
    return np.exp2(np.minimum(times - now, 0) / half_life_ms)


def sums(rows: SomeRows, values: Scores, items: int) -> Scores:
    """(items,) the sum of the values (n,) of each row. rows: (n,) below `items`."""
    return np.asarray(np.bincount(rows, values, minlength=items), dtype=np.float64)
