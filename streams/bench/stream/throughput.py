"""Case `throughput`: CPU per event and events per second, from a full topic to durable vectors.

One topic of 4 partitions, canonical JSON events keyed by user, one process per engine, all engines in turn
within each round, each in both forms: one vector for each touched user and interval, and one for each event. CPU
per event comes first: it changes little when other work shares the machine, events per second change much. Every
engine is timed from outside, and in the same way:

1. It starts on a topic that holds the first half of its events. Once it has published their vectors, it is up and
   warm: imports, joining its group, first allocations and compilation count for none.
2. It is stopped (SIGSTOP), the second half is written, and the clock starts as it is let go (SIGCONT). So nobody
   has fetched ahead, and the producer takes no share of the machine.
3. The clock stops with the broker's own time (LogAppendTime) of the last vector. Ours stops later, with the
   last record of its changelog. What a peer does after its last vector does not count, in its favour.
4. Only a watcher that asks for end offsets and CPU times 10 times a second runs beside it. CPU is the process
   time of engine and broker between the two moments.
5. Afterwards the vectors are read: the users' counts must add up to the events written, there must be a vector for
   each event where that is the form, and a sample of the vectors must be those that plain folding gives, to 1e-4
   (of users with 10**5 events and more somewhat less, see `checking.tolerance`); otherwise the run fails.

An engine gets as many of the same events as make its run about as long as ours, of which its share says how many;
its cost per event is what counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from streams.bench import process
from streams.bench.cluster import Cluster
from streams.bench.errors import BenchError
from streams.bench.harness import Samples
from streams.bench.stream import checking, ours
from streams.bench.stream.contender import Contender, Form, Launch, Wiring, label
from streams.bench.stream.workload import Workload
from streams.kafka.reading import Reader

CASE = "throughput"
METRICS = (
    ("cpu_us_per_event_client", "us"),
    ("cpu_us_per_event_broker", "us"),
    ("events_per_s", "1/s"),
    ("vectors_per_event", "1"),
    ("rss", "MiB"),
)
# Of which the row `ours / theirs` is made, and what it is called.
RATIOS = (("cpu_us_per_event_client", "cpu_ratio"), ("events_per_s", "events_per_s_ratio"))
# Events that warm an engine up, at least.
WARM_UP = 500
WATCH_S = 0.1
# Without a new vector for so long, a run counts as complete, or as stuck where events are missing.
QUIET_S, STUCK_S = 1.0, 120.0


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds of engine and broker at a time (seconds since the epoch)."""

    at: float
    engine: float
    broker: float


@dataclass(frozen=True, slots=True)
class Load:
    """What one engine gets: `warm` events to warm up with, and the rest to be measured."""

    warm: int
    events: Workload

    @classmethod
    def of(cls, share: float, events: int) -> Load:
        """As many to warm up with as are measured."""
        measured = max(1, int(events * share))
        warm = max(WARM_UP, measured)
        return cls(warm, Workload(warm + measured))

    @property
    def measured(self) -> int:
        """Number of events between the two moments."""
        return self.events.count - self.warm


def measure(
    cluster: Cluster, contenders: Sequence[Contender], runs: int, events: int, say: Callable[[str], None]
) -> Samples:
    """All rounds of all engines."""
    samples = Samples()
    for contender in contenders:
        for name, unit in METRICS:
            samples.missing(CASE, contender.label, name, unit)
        samples.notes[contender.label] = contender.note
    ready = [(one, Load.of(one.share, events)) for one in contenders if one.prepare is not None]
    for number in range(1, runs + 1):
        for contender, load in ready:
            found = _run(cluster, contender, load, f"bench-{number}-{contender.label}")
            for (name, unit), value in zip(METRICS, found, strict=True):
                samples.add(CASE, contender.label, name, unit, value)
            shown = f"{found[0]:.1f} us client, {found[1]:.1f} us broker, {found[2]:,.0f} events/s"
            say(f"{CASE} {number}/{runs} {contender.label}: {shown}, {found[3]:.2f} vectors per event")
    _compare(samples, contenders)
    return samples


def _compare(samples: Samples, contenders: Sequence[Contender]) -> None:
    """Ours beside each other engine in the same form."""
    for form in Form:
        same = [contender.label for contender in contenders if contender.form == form]
        mine = label(ours.NAME, form)
        if mine in same:
            for name, called in RATIOS:
                samples.add_ratios(CASE, name, mine, [one for one in same if one != mine], called)


def _run(cluster: Cluster, contender: Contender, load: Load, name: str) -> tuple[float, ...]:
    """One engine, once; what METRICS names."""
    wiring = Wiring(cluster.servers, f"{name}.events", f"{name}.vectors", name, cluster.home, contender.form)
    cluster.create(wiring.input, wiring.output)
    assert contender.prepare is not None
    found = timed(cluster, contender.prepare(cluster, wiring), wiring, load)
    written = sum(cluster.ends(wiring.output).values()) if contender.form == Form.EVENT else None
    checking.check_topic(cluster, wiring.output, load.events, written)
    cluster.delete(name)
    return found


def timed(cluster: Cluster, launch: Launch, wiring: Wiring, load: Load) -> tuple[float, ...]:
    """From its start to the end of a measured half; what METRICS names."""
    cluster.fill(wiring.input, load.events.encoded(0, load.warm))
    log, counted = cluster.home / "logs" / f"{wiring.group}.log", Counted(cluster, wiring.output)
    with process.engine(wiring.group, launch.command, launch.environment, log) as engine:
        _await_vectors(cluster, engine, wiring.output, counted, load.warm)
        time.sleep(launch.joining_s)
        # Made beforehand: nobody is to be held for so long that a heartbeat is missed.
        rest = list(load.events.encoded(load.warm, load.events.count))
        engine.hold()
        before = sum(cluster.ends(wiring.output).values())
        cluster.fill(wiring.input, rest)
        begun = _moment(engine, cluster)
        engine.release()
        moments = _await_vectors(cluster, engine, wiring.output, counted, load.events.count)
        resident = engine.resident_bytes()
    ended = max(cluster.last_append(topic) for topic in (wiring.output, launch.changelog) if topic)
    written = sum(cluster.ends(wiring.output).values()) - before
    return *_costs(begun, moments, ended, load.measured), written / load.measured, resident / 2**20


def _costs(begun: Moment, moments: list[Moment], ended: float, events: int) -> tuple[float, float, float]:
    """Microseconds of CPU per event of engine and broker, events/s."""
    # CPU up to the first look at or after the end: at most a tenth of a second of an idle engine too much.
    last = next((moment for moment in moments if moment.at >= ended), moments[-1])
    micro = 1e6 / events
    return (
        (last.engine - begun.engine) * micro,
        (last.broker - begun.broker) * micro,
        events / (ended - begun.at),
    )


def _moment(engine: process.Engine, cluster: Cluster) -> Moment:
    return Moment(time.time(), engine.cpu_seconds(), process.cpu_seconds(cluster.pid))


class Counted:
    """Number of events in the newest vectors of a topic. Each look reads only what is new."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._config, self._topic = cluster.config, topic
        self._of_user: dict[bytes, int] = {}
        self._read: dict[int, int] = {}

    def look(self) -> int:
        """Now."""
        reader = Reader(self._config, self._topic)
        try:
            reader.start_at(self._read)
            for message in chain.from_iterable(reader.to_end()):
                self._of_user[message.key()] = checking.record(message)["count"]
                self._read[message.partition()] = message.offset() + 1
        finally:
            reader.close()
        return sum(self._of_user.values())


def _await_vectors(
    cluster: Cluster, engine: process.Engine, output: str, counted: Counted, events: int
) -> list[Moment]:
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
            # Once per pause, and what it takes is not the engine's: reading takes CPU from it.
            looked, done, changed = True, counted.look(), time.monotonic()
            if done >= events:
                return moments
    problem = f"{engine.name} has vectors of {done:,} of {events:,} events, and no more come"
    raise BenchError(f"{problem}; its log ends with:\n{engine.tail()}")
