"""That an engine did its work: no run counts whose vectors are not those of plain folding."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from streams.bench.cluster import Cluster
from streams.bench.errors import BenchError
from streams.bench.stream.workload import Floats, Workload
from streams.flow import vector_formats
from streams.kafka.reading import read_all

TOLERANCE = 1e-4
# Every so many users' vectors are compared.
CHECK_EVERY = 97


def record(message: Any) -> dict[str, Any]:
    """Of a message of the topic of vectors."""
    return vector_formats.read_vectors(message.value(), message.headers())


def read_vectors(cluster: Cluster, topic: str, users: Container[str]) -> dict[str, tuple[int, Floats | None]]:
    """Of each user the number of events in the newest vector, and the vector, of these users alone."""
    found: dict[str, tuple[int, Floats | None]] = {}
    for chunk in read_all(cluster.config, topic):
        for message in chunk:
            user, told = message.key().decode(), record(message)
            found[user] = told["count"], told["vectors"][0] if user in users else None
    return found


def check_topic(cluster: Cluster, topic: str, load: Workload, written: int | None = None) -> None:
    """`check` of the vectors in a topic."""
    check(read_vectors(cluster, topic, set(load.ids(CHECK_EVERY))), load, written)


def tolerance(count: int, dim: int) -> float:
    """By how much a component of a vector (dim,) of so many events may differ from that of plain folding.

    Every engine keeps sums in float32, and multiplies them by a factor just below 1 for each event. Float32 holds it to
    2**-25, and what is lost at each event has the same sign where the events come at the same pace. So the weight of an
    event may be off by 2**-25 for each event behind it: by 0.3 percent after 10**5. Components are about 1 / sqrt(dim).
    """
    return float(TOLERANCE + count * 2.0**-25 / np.sqrt(dim))


def check(found: Mapping[str, tuple[int, Floats | None]], load: Workload, written: int | None = None) -> None:
    """Raise BenchError unless every event is in a vector, and the vectors are right.

    written: records in the topic of vectors, where there must be one for each event.
    """
    counted = sum(count for count, _ in found.values())
    if counted != load.count:
        raise BenchError(f"the vectors hold {counted:,} events, but {load.count:,} were written")
    if written is not None and written < load.count:
        raise BenchError(f"there are {written:,} vectors of {load.count:,} events, and not one for each")
    for user, wanted in load.expected(load.count, CHECK_EVERY).items():
        count, vector = found[user]
        assert vector is not None
        if not np.allclose(vector, wanted, atol=tolerance(count, load.dim)):
            worst = float(np.abs(vector - wanted).max())
            raise BenchError(f"the vector of {user} is wrong by {worst:g}")
