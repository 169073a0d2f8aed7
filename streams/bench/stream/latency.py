"""Case `latency`: milliseconds from an event produced to its user's vector received, at a steady pace.

The real worker beside a producer (librdkafka's defaults) and a subscriber of the vectors, all on this machine.
An event's clock starts before it is handed to the producer. It stops when the subscriber gets the first vector
whose `count` says that the event is in it, so every event is timed, not every vector. Variants:

- `ingest`: native events in a raw topic, through the canonical topic, to the vector; no recommendations.
- `canonical`: canonical events consumed directly; no recommendations.
- `ingest+recommend`: as the first, with recommendations at their default interval.

p50 and p99 are over the events of one run that were produced after the warm-up.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.bench import process
from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.errors import BenchError
from streams.bench.harness import Samples
from streams.bench.stream import ours
from streams.bench.stream.workload import Workload
from streams.flow.vector_formats import read_vectors

CASE = "latency"
WARM_UP_S, MEASURED_S = 2.0, 5.0
TICK_S = 0.002
UP_DEADLINE_S, LAST_DEADLINE_S = 120.0, 30.0
VARIANTS: dict[str, dict[str, Any]] = {
    "ingest": {"format": "native", "recommend": False},
    "canonical": {"format": "canonical", "recommend": False},
    "ingest+recommend": {"format": "native", "recommend": True},
}


def measure(cluster: Cluster, runs: int, rate: int, say: Callable[[str], None]) -> Samples:
    """All rounds of all variants. rate: events per second."""
    samples = Samples()
    samples.notes[CASE] = (
        f"{rate:,} events/s, produced to received; worker, broker and both clients on this machine"
    )
    load = Workload(int(rate * (WARM_UP_S + MEASURED_S)))
    for number in range(1, runs + 1):
        for variant in VARIANTS:
            seconds = _run(cluster, f"bench-{number}-{variant.replace('+', '-')}", load, rate, variant)
            p50, p99 = (float(np.percentile(seconds, q)) * 1000 for q in (50, 99))
            samples.add(CASE, variant, "p50", "ms", p50)
            samples.add(CASE, variant, "p99", "ms", p99)
            say(f"{CASE} {number}/{runs} {variant}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return samples


def _run(cluster: Cluster, name: str, load: Workload, rate: int, variant: str) -> npt.NDArray[np.float64]:
    """Seconds that each event after the warm-up took."""
    about = VARIANTS[variant]
    source = f"{name}.source"
    given, environment = ours.deployment(
        cluster, name + ".", sources=f"{source}:{about['format']}", recommend=about["recommend"]
    )
    ours.create_topics(cluster, given)
    subscriber = Subscriber(cluster, given.topics.vectors)
    log = cluster.home / "logs" / f"{name}.log"
    try:
        with process.engine(ours.NAME, ours.COMMAND, environment, log) as engine:
            cluster.fill(source, load.records[:1])
            subscriber.await_events(1, UP_DEADLINE_S, engine)
            sent = _produce(cluster, source, load, rate)
            subscriber.await_events(load.count, LAST_DEADLINE_S, engine)
    finally:
        subscriber.close()
    cluster.delete(name)
    first = int(rate * WARM_UP_S)
    return subscriber.received(load)[first:] - sent[first:]


def _produce(cluster: Cluster, topic: str, load: Workload, rate: int) -> npt.NDArray[np.float64]:
    """Send all but the first event at a steady pace; when each was, seconds since the epoch."""
    producer = Producer({**cluster.config, "partitioner": "murmur2_random", "enable.idempotence": True})
    sent = np.zeros(load.count)
    begun, at = time.time(), 1
    while at < load.count:
        due = min(load.count, 1 + int((time.time() - begun) * rate))
        for number, (key, value) in enumerate(load.records[at:due], at):
            sent[number] = time.time()
            producer.produce(topic, value, key)
        at = due
        producer.poll(0)
        time.sleep(TICK_S)
    if producer.flush(LAST_DEADLINE_S):
        raise BenchError(f"could not produce to {topic} at {rate} events/s")
    return sent


class Subscriber:
    """Reads the vectors in a thread of its own, and notes when each came."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        # librdkafka's defaults but for the wait, so that a quiet partition does not hold up the others.
        own = {"group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        self._consumer = Consumer({**cluster.config, **own})
        self._consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
        # Per user: number of events in each vector, and when it came.
        self._counts: dict[bytes, array[int]] = defaultdict(lambda: array("q"))
        self._times: dict[bytes, array[float]] = defaultdict(lambda: array("d"))
        self._events = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="subscriber", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(1000, 0.001):
                now = time.time()
                key = message.key()
                counts = self._counts[key]
                count = read_vectors(message.value(), message.headers())["count"]
                self._events += count - (counts[-1] if counts else 0)
                counts.append(count)
                self._times[key].append(now)

    def await_events(self, events: int, deadline_s: float, engine: process.Engine) -> None:
        """Return once so many events are in vectors that came. Raises BenchError."""
        deadline = time.monotonic() + deadline_s
        while self._events < events:
            engine.require_alive()
            if time.monotonic() > deadline:
                problem = f"vectors of {self._events:,} of {events:,} events came"
                raise BenchError(f"{problem}; the worker's log ends with:\n{engine.tail()}")
            time.sleep(0.01)

    def received(self, load: Workload) -> npt.NDArray[np.float64]:
        """When each event's vector came: (count,) seconds since the epoch."""
        times = np.zeros(load.count)
        seen: dict[bytes, int] = defaultdict(int)
        for at, (key, _) in enumerate(load.records):
            seen[key] += 1
            place = int(np.searchsorted(self._counts[key], seen[key]))
            times[at] = self._times[key][place]
        return times

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()
