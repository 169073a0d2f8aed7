"""Case `memory`: bytes per user of a process that holds 200,000 users' states.

Growth of the resident set from an empty worker's flow to the full one, over the users: rows, ids, dictionaries
and whatever the allocator keeps. Users come in batches, so the arenas grow as they do in a worker. `arena` is
the rows alone. Consumed items are kept outside the rows; they are measured on top.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import psutil

from streams.bench import process, states
from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.harness import Samples
from streams.bench.ours import NAME

CASE = "memory"
CONSUMED = (0, 10)
NOTE = "resident set over users; rows, ids, dictionaries; with 0 and with 10 consumed items per user"


def measure(cluster: Cluster, runs: int, users: int, say: Callable[[str], None]) -> Samples:
    """All rounds, a child each."""
    samples = Samples()
    samples.notes[CASE] = NOTE
    for number in range(1, runs + 1):
        for consumed in CONSUMED:
            found = process.answer("memory", users, consumed)
            samples.add(CASE, NAME, f"rss_per_user_{consumed}_consumed", "bytes", found["rss"][0])
            say(f"{CASE} {number}/{runs}: {found['rss'][0]:,.0f} bytes/user with {consumed} consumed items")
        samples.add(CASE, NAME, "arena_per_user", "bytes", found["arena"][0])
    return samples


def child(users: int, consumed: int) -> dict[str, list[float]]:
    """The measurement itself."""
    layout = states.flow().layout
    # One batch beforehand, so that first uses of libraries do not count.
    states.partition(0, 1, consumed, layout)
    gc.collect()
    before = psutil.Process().memory_info().rss
    parts = [states.partition(number, users // PARTITIONS, consumed, layout) for number in range(PARTITIONS)]
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    held = sum(len(part) for part in parts)
    return {"rss": [grown / held], "arena": [sum(part.memory_bytes() for part in parts) / held]}
