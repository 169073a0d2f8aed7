"""Case `recommend`: users per second for the top 20 of 10,000 items, one thread, in a process of its own.

20,000 users with some 16 events each, folded by the flow. Timed is `Flow.recommend` on as many users at a
time as the worker gives it, for every user once: reading the states, the exact ranking without hidden and
consumed items, three reasons per item, and the bytes that are published. Kafka takes no part.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from streams.bench import process
from streams.bench.cluster import Cluster
from streams.bench.errors import BenchError
from streams.bench.harness import Samples
from streams.bench.stream import states, workload
from streams.bench.stream.ours import NAME
from streams.bench.stream.workload import Workload
from streams.flow.flow import Flow
from streams.state.users.partition import UserPartition
from streams.worker.stages.recommend import CHUNK

CASE = "recommend"
EVENTS_PER_USER = 16
NOTE = "exact top 20 of 10,000 items of 128 dimensions, consumed items excluded, 3 reasons each, JSON built"


def measure(cluster: Cluster, runs: int, users: int, say: Callable[[str], None]) -> Samples:
    """All rounds, in one child."""
    samples = Samples()
    samples.notes[CASE] = NOTE
    for rate in process.answer("recommend", users, runs)["users_per_s"]:
        samples.add(CASE, NAME, "users_per_s", "1/s", rate)
    say(f"{CASE}: {samples.rows()[0].median:,.0f} users/s")
    return samples


def child(users: int, runs: int) -> dict[str, list[float]]:
    """The measurement itself, by the number of users."""
    flow = _flow(users)
    rows = np.arange(len(flow.partitions[0]), dtype=np.int64)
    rates = []
    # The first pass is the warm-up.
    for _ in range(runs + 1):
        begun = time.perf_counter()
        records = [flow.recommend(0, rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
        rates.append(len(rows) / (time.perf_counter() - begun))
        if sum(len(chunk) for chunk in records) != len(rows):
            raise BenchError("not every user got a recommendation")
    return {"users_per_s": rates[1:]}


def _flow(users: int) -> Flow:
    """A flow that has folded the users' events."""
    flow = states.flow()
    flow.partitions[0] = UserPartition(0, flow.layout)
    records = states.records(Workload(users * EVENTS_PER_USER, users=users, zipf=0.0))
    nothing = np.zeros((0, workload.DIM), dtype=np.float32)
    for at in range(0, len(records), states.BATCH):
        flow.update(0, flow.decode(records[at : at + states.BATCH]), nothing)
    return flow
