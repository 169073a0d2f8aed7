"""Case `recovery`: users per second from a changelog in Kafka back to usable states.

200,000 users in 4 partitions, each a full row (about 1.6 KiB) and ten consumed items, one record per user, as
compaction leaves them. Timed is `streams.worker.recovery.recover`, in a fresh process for every run: connecting,
reading, choosing the newest record of each user, filling the arenas and dictionaries. Starting Python is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from streams.bench import process
from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.errors import BenchError
from streams.bench.harness import Samples
from streams.bench.stream import states
from streams.bench.stream.ours import NAME
from streams.state.users.partition import UserPartition
from streams.worker.recovery import Changelog, recover

CASE = "recovery"
TOPIC = "bench-recovery-state"
CONSUMED = 10
DEADLINE_S = 120.0
NOTE = "one record of 1.7 KiB per user, connecting and reading included"


def measure(cluster: Cluster, runs: int, users: int, say: Callable[[str], None]) -> Samples:
    """All rounds, a child each."""
    samples = Samples()
    samples.notes[CASE] = NOTE
    _fill(cluster, users)
    for number in range(1, runs + 1):
        rate = process.answer("recovery", cluster.servers, users)["users_per_s"][0]
        samples.add(CASE, NAME, "users_per_s", "1/s", rate)
        say(f"{CASE} {number}/{runs}: {rate:,.0f} users/s")
    cluster.delete(TOPIC)
    return samples


def _fill(cluster: Cluster, users: int) -> None:
    layout = states.flow().layout
    cluster.create(TOPIC, cleanup__policy="compact", min__compaction__lag__ms="3600000")
    for number in range(PARTITIONS):
        part = states.partition(number, users // PARTITIONS, CONSUMED, layout)
        rows = np.arange(len(part), dtype=np.int64)
        records = part.records(rows, part.read_rows(rows))
        progress = part.progress_record(states.SOURCE)
        cluster.fill(TOPIC, [*records, progress], number)


def child(servers: str, users: int) -> dict[str, list[float]]:
    """The measurement itself, of a changelog with so many users."""
    layout = states.flow().layout
    config = {"bootstrap.servers": servers, "log_level": 0}
    begun = time.perf_counter()
    epochs = dict.fromkeys(range(PARTITIONS), users)
    changelog = Changelog(config, TOPIC, states.SOURCE, DEADLINE_S)
    found = recover(changelog, epochs, lambda p: UserPartition(p, layout))
    seconds = time.perf_counter() - begun
    recovered = sum(len(state) for state in found.values())
    if recovered != users // PARTITIONS * PARTITIONS:
        raise BenchError(f"{recovered} of {users} users were recovered")
    return {"users_per_s": [recovered / seconds]}
