"""Case `throughput`: events per second and CPU per event, from a full topic to durable vectors.

One topic of 4 partitions, canonical JSON events keyed by user, one process per engine, all engines in turn
within each round. Every engine is timed from outside, and in the same way:

1. It starts on a topic that holds some thousand warm-up events. Once it has published their vectors, it is up:
   imports, joining its group and first allocations count for none.
2. It is stopped (SIGSTOP), the topic is filled, and the clock starts as it is let go (SIGCONT). So nobody has
   fetched ahead, and the producer takes no share of the machine.
3. The clock stops with the broker's own time (LogAppendTime) of the last vector. Ours stops later, with the
   last record of its changelog. What a peer does after its last vector does not count, in its favour.
4. Only a watcher that asks for end offsets and CPU times 10 times a second runs beside it. CPU is the process
   time of engine and broker between the two moments.
5. Afterwards the vectors are read: the users' counts must add up to the events written, and a sample of the
   vectors must be those that plain folding gives, to 1e-4; otherwise the run fails.

An engine that is slow gets a part of the same events, of which its share says how many; its rate is what counts.
"""

from __future__ import annotations

import time
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from streams.bench import process
from streams.bench.cluster import Cluster
from streams.bench.errors import BenchError
from streams.bench.harness import Samples
from streams.bench.stream import ours
from streams.bench.stream.contender import Contender, Wiring
from streams.bench.stream.workload import Floats, Workload
from streams.kafka.reading import read_all

CASE = "throughput"
METRICS = (
    ("events_per_s", "1/s"),
    ("cpu_us_per_event_client", "us"),
    ("cpu_us_per_event_broker", "us"),
)
WARM_UP = 4000
WATCH_S = 0.1
# Without a new vector for so long, a run counts as complete, or as stuck where events are missing.
QUIET_S, STUCK_S = 1.0, 60.0
TOLERANCE = 1e-4
# Every so many users' vectors are compared.
CHECK_EVERY = 97


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds of engine and broker at a time (seconds since the epoch)."""

    at: float
    engine: float
    broker: float


def measure(
    cluster: Cluster, contenders: Sequence[Contender], runs: int, events: int, say: Callable[[str], None]
) -> Samples:
    """All rounds of all engines."""
    samples = Samples()
    for contender in contenders:
        for name, unit in METRICS:
            samples.missing(CASE, contender.name, name, unit)
        samples.notes[contender.name] = contender.note
    loads = {c.name: Workload(WARM_UP + max(1, int(events * c.share))) for c in contenders if c.prepare}
    for number in range(1, runs + 1):
        for contender in contenders:
            if contender.prepare is not None:
                found = _run(cluster, contender, loads[contender.name], f"bench-{number}-{contender.name}")
                for (name, unit), value in zip(METRICS, found, strict=True):
                    samples.add(CASE, contender.name, name, unit, value)
                shown = f"{found[0]:,.0f} events/s, {found[1]:.1f} us client, {found[2]:.1f} us broker"
                say(f"{CASE} {number}/{runs} {contender.name}: {shown}")
    names = [contender.name for contender in contenders]
    if ours.NAME in names:
        samples.add_ratios(CASE, "events_per_s", ours.NAME, [n for n in names if n != ours.NAME])
    return samples


def _run(cluster: Cluster, contender: Contender, load: Workload, name: str) -> tuple[float, float, float]:
    """One engine, once: events/s, microseconds of CPU per event of engine and broker."""
    wiring = Wiring(cluster.servers, f"{name}.events", f"{name}.vectors", name, cluster.home)
    cluster.create(wiring.input, wiring.output)
    assert contender.prepare is not None
    launch = contender.prepare(cluster, wiring)
    warm, rest = load.records[:WARM_UP], load.records[WARM_UP:]
    cluster.fill(wiring.input, warm)
    log = cluster.home / "logs" / f"{name}.log"
    with process.engine(contender.name, launch.command, launch.environment, log) as engine:
        _await_vectors(cluster, engine, wiring.output, len(warm))
        engine.hold()
        cluster.fill(wiring.input, rest)
        begun = _moment(engine, cluster)
        engine.release()
        moments = _await_vectors(cluster, engine, wiring.output, load.count)
    ended = max(cluster.last_append(topic) for topic in (wiring.output, launch.changelog) if topic)
    check(read_vectors(cluster, wiring.output), load)
    cluster.delete(name)
    # CPU up to the first look at or after the end: at most a tenth of a second of an idle engine too much.
    last = next((moment for moment in moments if moment.at >= ended), moments[-1])
    micro = 1e6 / len(rest)
    return (
        len(rest) / (ended - begun.at),
        (last.engine - begun.engine) * micro,
        (last.broker - begun.broker) * micro,
    )


def _moment(engine: process.Engine, cluster: Cluster) -> Moment:
    return Moment(time.time(), engine.cpu_seconds(), process.cpu_seconds(cluster.pid))


def _await_vectors(cluster: Cluster, engine: process.Engine, output: str, events: int) -> list[Moment]:
    """Watch until the vectors of so many events are out; returns what was seen. Raises BenchError."""
    moments, ends, done, looked = [_moment(engine, cluster)], cluster.ends(output), 0, False
    changed = time.monotonic()
    while time.monotonic() - changed < STUCK_S:
        time.sleep(WATCH_S)
        engine.require_alive()
        moments.append(_moment(engine, cluster))
        if (found := cluster.ends(output)) != ends:
            ends, changed, looked = found, time.monotonic(), False
        elif any(ends.values()) and not looked and time.monotonic() - changed >= QUIET_S:
            # Once per pause: reading takes CPU from the engine.
            looked, done = True, sum(count for count, _ in read_vectors(cluster, output).values())
            if done >= events:
                return moments
    problem = f"{engine.name} has vectors of {done:,} of {events:,} events, and no more come"
    raise BenchError(f"{problem}; its log ends with:\n{engine.tail()}")


def read_vectors(cluster: Cluster, topic: str) -> dict[str, tuple[int, Floats]]:
    """Newest vector of each user, and the number of events in it."""
    latest = {
        message.key(): message.value() for chunk in read_all(cluster.config, topic) for message in chunk
    }
    found = {}
    for key, value in latest.items():
        record = orjson.loads(value)
        vector = np.frombuffer(a2b_base64(record["vector"]), dtype="<f4")
        found[key.decode()] = record["count"], vector
    return found


def check(found: dict[str, tuple[int, Floats]], load: Workload) -> None:
    """Raise BenchError unless every event is in a vector, and the vectors are right."""
    counted = sum(count for count, _ in found.values())
    if counted != load.count:
        raise BenchError(f"the vectors hold {counted:,} events, but {load.count:,} were written")
    for user, wanted in load.expected(load.count, CHECK_EVERY).items():
        if not np.allclose(found[user][1], wanted, atol=TOLERANCE):
            worst = float(np.abs(found[user][1] - wanted).max())
            raise BenchError(f"the vector of {user} is wrong by {worst:g}")
