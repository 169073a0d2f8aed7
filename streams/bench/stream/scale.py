"""Case `scale`: what an event costs, and what memory, as workers, partitions, users or dimensions grow.

One of them changes at a time, from 1 worker, 4 partitions, 20,000 users whose activity follows Zipf's law, and 128
dimensions. Measured as in `throughput`, one vector per touched user and batch, on half as many events.

Where the users change, each has had an event beforehand, and then every event is of any user alike: so states are
found neither in the processor's caches nor several times in a batch, which is the dearest that a stream can be.
`vectors_per_event` says how many users a batch touched. Settings in your environment hold, such as
INTERESTFLOW_USERS_IN_MEMORY and INTERESTFLOW_EVICTED_DIR for users that would not fit: ten million need some 22 GB,
and 30 GB of disk for the topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields

from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.harness import Samples
from streams.bench.stream import checking, ours, throughput, workload
from streams.bench.stream.contender import Form, Launch, Wiring
from streams.bench.stream.throughput import METRICS, Load
from streams.bench.stream.workload import Workload

CASE = "scale"
NOTE = (
    "one thing changes at a time from 1 worker, 4 partitions, 20,000 users of Zipf's law, 128 dimensions; where users "
    "change, every event is of any of them alike. Memory and CPU of all workers together"
)
# Several processes as one engine: they are stopped, counted and ended together.
SEVERAL = 'trap : TERM; for _ in $(seq "$0"); do "$@" & done; wait; wait'
# Until several workers share the partitions out.
JOINING_S = 8.0


@dataclass(frozen=True, slots=True)
class Axes:
    """Values of each that are measured. Where none is given of any, DEFAULTS."""

    workers: tuple[int, ...] = ()
    partitions: tuple[int, ...] = ()
    users: tuple[int, ...] = ()
    dims: tuple[int, ...] = ()


DEFAULTS = Axes((1, 2), (1, 10, 100), (10_000, 100_000, 1_000_000), (16, 128, 512))


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement. users: None for the workload of `throughput`."""

    workers: int = 1
    partitions: int = PARTITIONS
    users: int | None = None
    dims: int = workload.DIM

    def load(self, events: int) -> Load:
        """So many events to be measured, behind as many to warm up with, or one of each user."""
        if self.users is None:
            return Load(events, Workload(2 * events, dim=self.dims))
        everybody = Workload(self.users + events, self.users, zipf=0.0, dim=self.dims, each_once=True)
        return Load(self.users, everybody)


def points(axes: Axes) -> Iterator[tuple[str, Point]]:
    """Name of a row, and what it measures."""
    chosen = axes if axes != Axes() else DEFAULTS
    for axis in fields(chosen):
        for value in getattr(chosen, axis.name):
            yield f"{value:,} {axis.name}", Point(**{axis.name: value})


def measure(cluster: Cluster, axes: Axes, runs: int, events: int, say: Callable[[str], None]) -> Samples:
    """All rounds of all points."""
    samples = Samples()
    samples.notes[CASE] = NOTE
    for number in range(1, runs + 1):
        for name, point in points(axes):
            place = "-".join(f"{value}" for value in asdict(point).values())
            found = _run(cluster, point, point.load(events // 2), f"scale-{number}-{place}")
            for (metric, unit), value in zip(METRICS, found, strict=True):
                samples.add(CASE, name, metric, unit, value)
            cost, _, rate, _, memory = found
            say(
                f"{CASE} {number}/{runs} {name}: {cost:.1f} us client, {rate:,.0f} events/s, {memory:,.0f} MiB"
            )
    return samples


def _run(cluster: Cluster, point: Point, load: Load, name: str) -> tuple[float, ...]:
    wiring = Wiring(cluster.servers, f"{name}.events", f"{name}.vectors", name, cluster.home, Form.TOUCHED)
    cluster.create(wiring.input, wiring.output, partitions=point.partitions)
    one = ours.prepare(
        cluster,
        wiring,
        partitions=point.partitions,
        dimensions=point.dims,
        topic_embeddings=f"{ours.EMBEDDINGS}-{point.dims}",
    )
    found = throughput.timed(cluster, _times(one, point.workers), wiring, load)
    checking.check_topic(cluster, wiring.output, load.events)
    cluster.delete(name)
    return found


def _times(one: Launch, workers: int) -> Launch:
    """So many of it as one engine."""
    if workers == 1:
        return one
    command = ["/bin/sh", "-c", SEVERAL, str(workers), *one.command]
    return Launch(command, one.environment, one.changelog, JOINING_S)
