"""Items' states take in uses, in log order."""

from __future__ import annotations

from typing import Any

from streams.kernels.compiling import kernel


@kernel("i8:C1 i8:C1 i8:A1! i8:A1! i8:A1! i8:C1! i8:C1!")
def move(positions: Any, times: Any, newest: Any, first: Any, uses: Any, elapsed: Any, lateness: Any) -> None:
    """Move the states' times and numbers of uses; write by how much each use moves its state's time, and how late it
    is, milliseconds (n,). positions, times: (n,) of the uses. newest, first, uses: fields of the states."""
    for i in range(len(positions)):
        at, time = positions[i], times[i]
        if uses[at] == 0:
            newest[at], first[at] = time, time
        moved = max(newest[at], time)
        elapsed[i], lateness[i] = moved - newest[at], moved - time
        newest[at], first[at] = moved, min(first[at], time)
        uses[at] += 1


@kernel("i8:C1 u8:C1 f8:C2 f8:C2 f8:A2! i8:A1! u8:A2!")
def use(positions: Any, sessions: Any, decays: Any, gains: Any, sums: Any, entered: Any, ring: Any) -> None:
    """S <- S * decay + gain for all half-lives of each use's item, and enter its session unless the ring has it.

    positions, sessions: (n,) of the uses. decays, gains: (n, h). sums, entered, ring: fields of the states.
    """
    length = ring.shape[1]
    for i in range(len(positions)):
        at, key = positions[i], sessions[i]
        for h in range(sums.shape[1]):
            sums[at, h] = sums[at, h] * decays[i, h] + gains[i, h]
        known = key == 0
        for slot in range(length):
            known |= ring[at, slot] == key
        if not known:
            ring[at, entered[at] % length] = key
            entered[at] += 1
