"""Decayed sums, user by user: a user's sums stay in the nearest cache while the user's signals are added."""

from __future__ import annotations

from typing import Any

from streams.kernels.compiling import kernel


@kernel("i8:C1 i8:C1 i8:C1 i8:C1! i8:C1!")
def running_times(starts: Any, times: Any, initial: Any, before: Any, after: Any) -> None:
    """Write each user's time before and after each signal (n,); it never moves back. initial: (U,)."""
    rounds = len(starts) - 1
    for user in range(len(initial)):
        newest = initial[user]
        for k in range(rounds):
            at = starts[k] + user
            if at >= starts[k + 1]:
                break
            before[at] = newest
            newest = max(newest, times[at])
            after[at] = newest


@kernel("i8:C1 i8:C1 i8:A1! i8:A1! f8:C1! f8:C1!")
def advance(starts: Any, times: Any, state_times: Any, signals: Any, elapsed: Any, lateness: Any) -> None:
    """Move the states' times and numbers of signals (U,); write by how much each signal moves its state's time, and
    how late it is, milliseconds (n,)."""
    rounds = len(starts) - 1
    for user in range(len(state_times)):
        newest = state_times[user]
        if signals[user] == 0:
            # A new state starts at its first signal, without decay.
            newest = times[user] if rounds > 0 and user < starts[1] else 0
        for k in range(rounds):
            at = starts[k] + user
            if at >= starts[k + 1]:
                break
            before = newest
            newest = max(newest, times[at])
            elapsed[at], lateness[at] = newest - before, newest - times[at]
            signals[user] += 1
        state_times[user] = newest


@kernel("f4:C2! i8 i8:C1 f4:C1 f4:C1 f4:C1 f4:C1 f4:C2 i8:C1 f4:C2!")
def fold(
    sums: Any,
    dim: int,
    starts: Any,
    short_decays: Any,
    long_decays: Any,
    short_gains: Any,
    long_gains: Any,
    table: Any,
    at: Any,
    after: Any,
) -> None:
    """S <- S * decay + gain * vector for both sums of each user.

    sums: (U, m) of which row u begins with user u's short and long sum (2 * dim). decays, gains: (n,) in round order.
    table: (k, dim). at: (n,) row in it of each signal's vector. after: (n, 2 * dim) takes both sums as they are after
    each signal; (0, 2 * dim) where nobody asks.
    """
    rounds = len(starts) - 1
    users = starts[1] if rounds > 0 else 0
    for user in range(users):
        short, long = sums[user, :dim], sums[user, dim : 2 * dim]
        for k in range(rounds):
            signal = starts[k] + user
            if signal >= starts[k + 1]:
                break
            vector = table[at[signal]]
            decay, gain = short_decays[signal], short_gains[signal]
            for j in range(dim):
                short[j] = short[j] * decay + gain * vector[j]
            decay, gain = long_decays[signal], long_gains[signal]
            for j in range(dim):
                long[j] = long[j] * decay + gain * vector[j]
            if len(after):
                for j in range(dim):
                    after[signal, j] = short[j]
                    after[signal, dim + j] = long[j]
