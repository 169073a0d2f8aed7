"""A short-term and a long-term decayed, signed sum per user, in event time.

S <- S * 2^(-dt / h) + w * v for an event dt after the state's time; an event that is `late` by l is added as
w * 2^(-l / h) * v and moves no time back (exponential decay with a half-life h; the sum over events is the
same in any order but for rounding). With h counted in the user's own events, each event decays the sum by
2^(-1 / h), however late it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from streams.interest.base import (
    Change,
    Floats,
    Interests,
    Longs,
    Signals,
    States,
    raise_overflown,
    running_times,
    unit,
)
from streams.interest.steps import Steps, by_rounds
from streams.kernels import directions
from streams.kernels import sums as kernels
from streams.kernels.compiling import compiled
from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class HalfLife:
    """Half-life `value` > 0, in seconds of event time or in the user's own events."""

    value: float
    unit: Literal["seconds", "events"] = "seconds"

    def factor(self, milliseconds: npt.NDArray[np.float64], events: npt.NDArray[np.float64]) -> Floats:
        """2^(-elapsed / h), float32, for elapsed times (>= 0) and counts of events since."""
        elapsed = milliseconds / 1000.0 if self.unit == "seconds" else events
        factors: Floats = np.exp2(elapsed * (-1.0 / self.value)).astype(np.float32)
        return factors

    def __str__(self) -> str:
        return f"{float(self.value)!r} {self.unit}"


class DecayModel:
    """Short- and long-term interest as decayed sums; the published vector is a mix of their directions."""

    name = "decay"

    def __init__(self, dim: int, short: HalfLife, long: HalfLife, short_share: float = 0.5) -> None:
        """dim: of the vectors. short_share in [0, 1]: the short-term direction's part in the mix."""
        self.dim = dim
        self.half_lives = (short, long)
        self.shares = np.array([short_share, 1.0 - short_share], dtype=np.float32)
        self.version = f"short {short}, long {long}, share {float(short_share)!r}"

    def state_dtype(self) -> np.dtype[Any]:
        """time (ms) of the newest event, number of signals so far, sums (2, dim): short, long."""
        return np.dtype([("time", "<i8"), ("signals", "<i8"), ("sums", "<f4", (2, self.dim))])

    def update(self, states: States, signals: Signals) -> Change:
        """Fold in place, by the module's formula."""
        if compiled() and signals.table.dtype == np.float32:
            nobody_asks = np.empty((0, 2 * self.dim), dtype=np.float32)
            return Change(int(np.count_nonzero(self._update_compiled(states, signals, nobody_asks))))
        initial = np.where(states["signals"] > 0, states["time"], _first_times(signals, len(states)))
        before, after = running_times(signals, initial)
        one = np.ones(len(signals))
        zero = np.zeros(len(signals))
        elapsed, lateness = (after - before).astype(np.float64), (after - signals.times).astype(np.float64)
        decays = np.stack([h.factor(elapsed, one) for h in self.half_lives], axis=1)[:, :, None]
        gains = np.stack([h.factor(lateness, zero) for h in self.half_lives], axis=1)
        gains *= signals.weights[:, None]
        additions = gains[:, :, None] * signals.vectors[:, None, :]
        _fold(states["sums"], decays, additions, signals.starts)
        np.maximum.at(initial, signals.users, after)
        states["time"] = initial
        states["signals"] += np.bincount(signals.users, minlength=len(states))
        return Change(int(np.count_nonzero(lateness)))

    def update_stepwise(self, states: States, signals: Signals) -> tuple[Change, Steps]:
        """See Stepwise."""
        if not compiled() or signals.table.dtype != np.float32:
            return by_rounds(self, states, signals)
        before = states["signals"][signals.users]
        after = np.empty((len(signals), 2 * self.dim), dtype=np.float32)
        lateness = self._update_compiled(states, signals, after)
        mixed: Floats = np.empty((len(signals), self.dim), dtype=np.float32)
        raise_overflown(directions.mix(after, *self.shares, mixed))
        rounds = np.repeat(np.arange(len(signals.starts) - 1), np.diff(signals.starts))
        steps = Steps(Interests.single(mixed), before + rounds + 1, signals.times + lateness.astype(np.int64))
        return Change(int(np.count_nonzero(lateness))), steps

    def _update_compiled(self, states: States, signals: Signals, after: Floats) -> npt.NDArray[np.float64]:
        """The same in compiled loops, but for powers of two, whose last bit each library rounds its own way.

        after: as the kernel has it. Returns (n,) how late each signal is, milliseconds.
        """
        elapsed, lateness = np.empty(len(signals)), np.empty(len(signals))
        kernels.advance(signals.starts, signals.times, states["time"], states["signals"], elapsed, lateness)
        one, zero = np.ones(len(signals)), np.zeros(len(signals))
        decays = [half_life.factor(elapsed, one) for half_life in self.half_lives]
        gains = [half_life.factor(lateness, zero) * signals.weights for half_life in self.half_lives]
        table = np.ascontiguousarray(signals.table)
        sums = _rows_of(states["sums"])
        kernels.fold(sums, self.dim, signals.starts, *decays, *gains, table, signals.at, after)
        return lateness

    def times(self, states: States) -> Longs:
        """(U,) ms."""
        times: Longs = states["time"]
        return times

    def counts(self, states: States) -> Longs:
        """(U,)."""
        counts: Longs = states["signals"]
        return counts

    def interest(self, states: States) -> Interests:
        """One vector each: unit(share * unit(short) + (1 - share) * unit(long))."""
        sums = states["sums"]
        if compiled() and len(sums):
            mixed: Floats = np.empty((len(sums), self.dim), dtype=np.float32)
            raise_overflown(directions.mix(_rows_of(sums), *self.shares, mixed))
            return Interests.single(mixed)
        both = unit(sums)
        return Interests.single(unit(both[:, 0] * self.shares[0] + both[:, 1] * self.shares[1]))

    def coefficients(self, states: States, times: Longs, weights: Floats, ordinals: Longs) -> Floats:
        """(U, 1, H): linear, hence exact: interest = sum over all events of coefficient * vector."""
        sums = states["sums"]
        norms = np.sqrt((sums * sums).sum(axis=-1))
        mixed = (unit(sums) * self.shares[:, None]).sum(axis=1)
        length = np.sqrt((mixed * mixed).sum(axis=-1))
        elapsed = (states["time"][:, None] - times).astype(np.float64)
        since = (states["signals"][:, None] - 1 - ordinals).astype(np.float64)
        total = np.zeros(weights.shape, dtype=np.float32)
        for index, half_life in enumerate(self.half_lives):
            scale = norms[:, index] * length
            scale = np.divide(self.shares[index], scale, out=np.zeros_like(scale), where=scale > 0)
            total += half_life.factor(elapsed, since) * scale[:, None]
        return (total * weights)[:, None, :]


def _rows_of(sums: Floats) -> Floats:
    """(U, m) with the short and the long sum of each user at the beginning of a row, sharing memory with sums.

    sums: (U, 2, dim), a field of states, so with gaps between users; a row without gaps is what a compiler makes
    the fastest loop of. What lies behind the sums in a row is other memory, and not to be touched.
    """
    if sums.flags.c_contiguous:
        return sums.reshape(len(sums), sums.shape[1] * sums.shape[2])
    if sums.strides[0] % 4 or sums.strides[0] < sums.shape[1] * sums.shape[2] * 4:
        raise ValueError("states must be rows one behind the other, of a multiple of 4 bytes")
    return as_strided(sums, (len(sums), sums.strides[0] // 4), (sums.strides[0], 4))


# From this many users in a round downwards, going user by user costs less than going round by round.
FEW_USERS = 6


def _fold(sums: Floats, decays: Floats, additions: Floats, starts: Longs) -> None:
    """S <- S * decay + addition, per user in order; which way the loop runs does not change a bit.

    Round by round on the first m_k states while many users are active; then, for the few with many signals,
    user by user on one contiguous state.
    """
    multiply, add = np.multiply, np.add
    active = np.diff(starts)
    rounds = int(np.searchsorted(-active, -FEW_USERS, side="left"))
    edges = starts.tolist()
    for begin, end in pairwise(edges[: rounds + 1]):
        some = sums[: end - begin]
        multiply(some, decays[begin:end], out=some)
        add(some, additions[begin:end], out=some)
    for user in range(int(active[rounds]) if rounds < len(active) else 0):
        rows = starts[rounds:-1][active[rounds:] > user] + user
        state = sums[user].reshape(-1)
        # Decays at full width, so that every operand is one contiguous run.
        wide = np.broadcast_to(decays[rows], (len(rows), *sums.shape[1:])).reshape(len(rows), -1)
        for decay, addition in zip(wide, additions[rows].reshape(len(rows), -1), strict=True):
            multiply(state, decay, state)
            add(state, addition, state)


def _first_times(signals: Signals, users: int) -> Longs:
    """(U,) time of each user's first signal, so that a new state starts without decay."""
    first = np.zeros(users, dtype=np.int64)
    begins = slice(0, int(signals.starts[1]) if len(signals.starts) > 1 else 0)
    first[signals.users[begins]] = signals.times[begins]
    return first


def from_settings(settings: Settings) -> DecayModel:
    """With the half-lives and the share of the settings."""
    return DecayModel(
        settings.encoder.dimensions,
        HalfLife(settings.interest.short_half_life, settings.interest.short_half_life_unit),
        HalfLife(settings.interest.long_half_life, settings.interest.long_half_life_unit),
        settings.interest.short_share,
    )
