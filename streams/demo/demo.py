"""`interestflow demo`: a local Kafka, a worker, simulated users, and a judge of how well vectors follow them.

In order: broker, topics, catalog, projection, worker, simulation, verdict. All of it lives in one folder,
which is removed at the end, and in processes that are gone by then.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from sinks.base import TopicRecords
from sinks.kafka import KafkaLog
from streams.catalog.items import Embedding, decode_embedding
from streams.demo.children import Child, child, environment, temporary_folder
from streams.demo.judge import Judge, Vector
from streams.demo.simulate import World
from streams.flow.vector_formats import read_vectors
from streams.kafka.clients import client_config
from streams.kafka.reading import partition_ids, read_all
from streams.kafka.topics import specifications as topics
from streams.local_kafka import local_kafka
from streams.local_kafka.local_kafka import LocalKafkaError
from streams.ops.display import display
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

# Enough to see drift, shift and recovery after a warm-up; fewer in a short run, to keep the rate low.
EVENTS_PER_USER = 32
MOST_EVENTS_PER_S = 1000
# Waits in between are no longer, so that what came is seen at once.
TICK_S = 0.005
# The worker loads torch, joins its group and encodes the catalog first.
OPEN_DEADLINE_S = 180.0
SETTLE_DEADLINE_S = 30.0


def perform(seconds: int, seed: int, users: int) -> str:
    """The whole demo; returns its last line.

    Raises LocalKafkaError, ChildError and what the Kafka clients raise. Nothing is left behind, whatever
    happens, KeyboardInterrupt included.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("streams").setLevel(logging.INFO)
    with temporary_folder(local_kafka.default_home().parent) as home:
        log.info("starting a local Apache Kafka; the first time it is fetched, which takes about a minute")
        with local_kafka.running(home / "kafka") as broker:
            own: dict[str, Any] = {
                "kafka_bootstrap_servers": broker.bootstrap_servers,
                "projection": home / "projection.safetensors",
                "metrics_port": 0,
            }
            # The environment is not read: the user's settings are for another Kafka.
            settings = Settings(**own)
            return _act(settings, environment(own, home), home, World(seed, users), seconds)


def _act(settings: Settings, own: dict[str, str], home: Path, world: World, seconds: int) -> str:
    """The demo once there is a broker. own: the children's environment."""
    log.info("making topics and loading %d items", len(world.items))
    topics.create(settings)
    records = [(item["item_id"].encode(), orjson.dumps(item)) for item in world.items]
    with closing(_Client(settings)) as client:
        client.sink.publish([TopicRecords(settings.topics.items, records)]).result()
        log.info("fitting the projection with a real text encoder (all-MiniLM-L6-v2), some seconds")
        verb = ["fit", "projection", "--output", str(settings.encoder.projection)]
        with child(verb, own, home / "fit.log") as fit:
            fit.wait()
        log.info("starting the worker, which encodes the catalog")
        with child(["worker"], own, home / "worker.log") as worker:
            simulation = Simulation(settings, client, worker, world)
            simulation.wait_until_open()
            log.info("simulating %d users for %d s", len(world.users), seconds)
            simulation.play(seconds)
            line = simulation.last_line()
            log.info("stopping the worker and the broker")
            return line


class _Client:
    """What the company's services would have: a producer of events, and a subscriber."""

    def __init__(self, settings: Settings) -> None:
        config = client_config(settings)
        self.sink = KafkaLog(config)
        self._consumer = Consumer({**config, "group.id": "interestflow-demo", "enable.auto.commit": False})
        names = (settings.topics.vectors, settings.topics.recommendations, settings.topics.rejected)
        self._consumer.assign(
            [
                TopicPartition(name, partition, OFFSET_BEGINNING)
                for name in names
                for partition in partition_ids(self._consumer, name)
            ]
        )

    def receive(self, wait_s: float) -> Iterator[Message]:
        """Records received since the last call; waits up to `wait_s` for one. Raises KafkaException."""
        while (message := self._consumer.poll(wait_s)) is not None:
            if message.error() is not None:
                raise KafkaException(message.error())
            yield message
            wait_s = 0.0

    def close(self) -> None:
        """Close the connections; undelivered records are lost."""
        self.sink.close(1.0)
        self._consumer.close()


class Simulation:
    """Plays a world into the raw topic in real time, and watches what comes out."""

    # A user outside the world, whose first vector shows that the whole pipeline runs.
    SCOUT = "scout"

    def __init__(self, settings: Settings, client: _Client, worker: Child, world: World) -> None:
        self.settings, self.client, self.worker, self.world = settings, client, worker, world
        self.judge = Judge(world)
        self.counts: Counter[str] = Counter()

    def wait_until_open(self) -> None:
        """Wait for the vector of a first event. Raises ChildError if the worker fails, LocalKafkaError when late."""
        self._publish({"user_id": self.SCOUT, "action": "search", "text": "first of all"}, time.time())
        deadline = time.time() + OPEN_DEADLINE_S
        while not self.counts["scout"]:
            self._receive(TICK_S)
            if time.time() > deadline:
                raise LocalKafkaError(f"no vector came within {OPEN_DEADLINE_S:g} s of the worker's start")

    def play(self, seconds: int) -> None:
        """Send all events, each at its time, and wait for their vectors and recommendations."""
        total = min(EVENTS_PER_USER * len(self.world.users), MOST_EVENTS_PER_S * seconds)
        started = time.time()
        with display(time.monotonic) as show:
            for simulated in self.world.events(total):
                self._watch(started + simulated.share * seconds)
                now = time.time()
                if simulated.valid:
                    self.judge.send(simulated.event, simulated.share, now)
                else:
                    self.counts["invalid"] += 1
                self._publish(simulated.event, now)
                self.counts["events"] += 1
                show(simulated.share, self.look)
            self._settle()
            show(1.0, self.look)

    def _settle(self) -> None:
        """Wait until all events are in vectors or rejected, and the last recommendations have arrived."""
        deadline = time.time() + SETTLE_DEADLINE_S
        while self.judge.unseen() or self.figures()["rejected"] < self.counts["invalid"]:
            self._receive(TICK_S)
            if time.time() > deadline:
                log.warning("%d events are in no vector after %g s", self.judge.unseen(), SETTLE_DEADLINE_S)
                break
        # The last recommendation of a user may come this much later than the vector.
        self._watch(time.time() + self.settings.recommendations.interval_s)

    def figures(self) -> dict[str, int]:
        """Events sent and records received so far."""
        settings, counts = self.settings, self.counts
        return {
            "events": counts["events"],
            "vectors": counts[settings.topics.vectors],
            "recommendations": counts[settings.topics.recommendations],
            "rejected": counts[settings.topics.rejected],
        }

    def look(self) -> str:
        """The figures so far, for people."""
        latency = self.judge.percentile_ms
        shown = [f"{count} {name}" for name, count in self.figures().items()]
        return "  ".join([*shown, f"latency {latency(50):.0f} ms, p99 {latency(99):.0f} ms"])

    def last_line(self) -> str:
        """The results, as `name=value`."""
        figures = {name: str(count) for name, count in self.figures().items()}
        figures |= {f"p{percent}_ms": f"{self.judge.percentile_ms(percent):.1f}" for percent in (50, 99)}
        for name, value in self.judge.verdict(self._item_vectors()).items():
            figures[name] = f"{value:.3f}" if name.startswith("cosine") else f"{value:.1f}"
        return "demo: " + " ".join(f"{name}={value}" for name, value in figures.items())

    def _publish(self, event: dict[str, Any], at: float) -> None:
        """In the native format, keyed by user so that a user's events stay in order. at: seconds."""
        user = event["user_id"]
        value = orjson.dumps({**event, "timestamp": int(at * 1000)})
        key = None if user is None else user.encode()
        self.client.sink.publish([TopicRecords(self.settings.topics.raw_sources[0].topic, [(key, value)])])

    def _watch(self, until: float) -> None:
        """Receive up to a time (seconds), and once at least."""
        self._receive(0.0)
        while (left := until - time.time()) > 0:
            self._receive(min(left, TICK_S))

    def _receive(self, wait_s: float) -> None:
        self.worker.check()
        for message in self.client.receive(wait_s):
            if message.key() == self.SCOUT.encode():
                self.counts["scout"] += 1
                continue
            self.counts[message.topic()] += 1
            if message.topic() == self.settings.topics.vectors:
                record, now = read_vectors(message.value(), message.headers()), time.time()
                vector = record["vectors"][0].astype(np.float64)
                self.judge.see(record["user_id"], record["count"], vector, now)

    def _item_vectors(self) -> dict[str, Vector]:
        """(dim,) of each item, as the worker published them."""
        config = client_config(self.settings)
        records = (m for chunk in read_all(config, self.settings.topics.embeddings) for m in chunk)
        found = (decode_embedding(record.key(), record.value()) for record in records)
        return {e.item_id: e.array().astype(np.float64) for e in found if isinstance(e, Embedding)}
