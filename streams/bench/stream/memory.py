"""Case `memory`: bytes per user of a process that holds 200,000 users' states.

Growth of the resident set from an empty worker's flow to the full one, over the users: rows, ids, dictionaries
and whatever the allocator keeps. Users come in batches, so the arenas grow as they do in a worker. `arena` is
the rows alone. Consumed items are kept outside the rows; they are measured on top. `evicted` is the memory that one
more user in the local file costs: the growth by as many users again, once the file's buffers are full.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from streams.bench import process
from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.harness import Samples
from streams.bench.stream import states
from streams.bench.stream.ours import NAME
from streams.state.bounded.memory_bound import MemoryBound

CASE = "memory"
EVICTED = "memory-evicted"
CONSUMED = (0, 10)
NOTE = "resident set over users; rows, ids, dictionaries; with 0 and with 10 consumed items per user; evicted"
# Users in memory while the others are evicted.
MOST = 20_000


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
        evicted = process.answer(EVICTED, users)
        for name, unit in (("rss_per_evicted_user", "bytes"), ("rss_first", "MiB")):
            samples.add(CASE, NAME, name, unit, evicted[name][0])
        say(f"{CASE} {number}/{runs}: {evicted['rss_per_evicted_user'][0]:,.0f} bytes/user evicted")
    return samples


def child(users: int, consumed: int) -> dict[str, list[float]]:
    """The measurement itself."""
    layout = states.flow().layout
    # One batch beforehand, so that first uses of libraries do not count.
    states.partition(0, 1, consumed, layout)
    before = _resident()
    parts = [states.partition(number, users // PARTITIONS, consumed, layout) for number in range(PARTITIONS)]
    grown = _resident() - before
    held = sum(len(part) for part in parts)
    return {"rss": [grown / held], "arena": [sum(part.memory_bytes() for part in parts) / held]}


def child_evicted(users: int) -> dict[str, list[float]]:
    """What evicted users cost: resident set after the first `users`, and per user of as many again."""
    layout = states.flow().layout
    with tempfile.TemporaryDirectory() as folder:
        bound = MemoryBound(MOST, Path(folder))
        share = bound.for_partitions(1)
        bound.keep(share)
        part = states.partition(0, 1, 0, layout, share.evictor())
        grown = [_resident()]
        for last in (users, 2 * users):
            states.fill(part, part.known, last, 0)
            grown.append(_resident())
        bound.keep(None)
    first, second = grown[1] - grown[0], grown[2] - grown[1]
    return {"rss_first": [first / 2**20], "rss_per_evicted_user": [second / users]}


def _resident() -> int:
    gc.collect()
    found: int = psutil.Process().memory_info().rss
    return found
