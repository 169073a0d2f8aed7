"""A local Apache Kafka for a benchmark, in a folder of its own that goes with it; and what is done to topics."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.bench.errors import BenchError
from streams.kafka.topics.admin import TopicAdmin, TopicSpec
from streams.local_kafka import local_kafka
from streams.local_kafka.local_kafka import Broker
from streams.settings.sections.kafka import KafkaSettings

PARTITIONS = 4
TIMEOUT_S = 30.0
# Records between two looks at the delivery reports.
CHUNK = 50_000
# A moment after a topic was made, the broker may not know that it leads it, or that it is there.
NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
KeyValue = tuple[bytes, bytes]


class Cluster:
    """The broker of a benchmark. home: for everything that a case writes."""

    def __init__(self, broker: Broker, home: Path) -> None:
        self.servers, self.pid, self.home = broker.bootstrap_servers, broker.pid, home
        # log_level 0: failures are raised, and that the broker goes at the end is no news.
        self.config = {"bootstrap.servers": self.servers, "log_level": 0}
        self._admin = AdminClient(dict(self.config))
        self._partitions: dict[str, int] = {}
        self._topics = TopicAdmin(KafkaSettings(kafka_bootstrap_servers=self.servers), "interestflow-bench")

    def create(self, *topics: str, partitions: int = PARTITIONS, **config: str) -> list[str]:
        """Make topics of so many partitions that are missing; returns their names.

        `__` in a setting's name stands for a dot.
        """
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        return self.create_all([TopicSpec(topic, partitions, 1, dotted) for topic in topics])

    def create_all(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Make topics as a deployment specifies them; returns the names of those that were missing."""
        self._partitions.update((spec.name, spec.partitions) for spec in specs)
        return self._topics.create(list(specs))

    def delete(self, group: str) -> None:
        """Remove the topics in whose names this occurs; their files follow a minute later."""
        names = [name for name in self._topics.topics() if group in name]
        for future in (self._admin.delete_topics(names) if names else {}).values():
            future.result(TIMEOUT_S)

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition, now."""
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(self._partitions[topic])}
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                found = self._admin.list_offsets(asked)
                return {tp.partition: future.result(TIMEOUT_S).offset for tp, future in found.items()}
            except KafkaException as error:
                # `retriable()` speaks of transactions alone.
                if error.args[0].code() not in NOT_YET or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def fill(self, topic: str, records: Iterable[KeyValue], partition: int = -1) -> None:
        """Write records in their order; returns once all are on the broker.

        partition: by default that of the key, as every Kafka client chooses it.
        """
        failed: list[object] = []
        own = {
            "partitioner": "murmur2_random",
            # A new topic refuses first batches: sent again without this, they come behind later ones.
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 10_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
        producer = Producer({**self.config, **own})

        def report(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failed.append(error)

        for number, (key, value) in enumerate(records):
            producer.produce(topic, value, key, partition, report)
            if number % CHUNK == 0:
                producer.poll(0)
        if producer.flush(TIMEOUT_S) or failed:
            raise BenchError(f"could not fill {topic}: {failed[:1] or 'the broker did not answer in time'}")

    def warm_up(self, seconds: float) -> None:
        """Write and read small batches for a while.

        A new broker spends a whole core on compiling its own code, and answers in tens of milliseconds.
        """
        topic = "bench-warm-up"
        self.create(topic)
        producer = Producer({**self.config, "linger.ms": 0, "enable.idempotence": True})
        consumer = Consumer({**self.config, "group.id": "bench", "fetch.wait.max.ms": 2})
        consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for partition in range(PARTITIONS):
                for _ in range(5):
                    producer.produce(topic, bytes(500), b"k", partition)
            producer.flush(TIMEOUT_S)
            consumer.consume(1000, 0.0)
        consumer.close()
        self.delete(topic)

    def last_append(self, topic: str) -> float:
        """When the broker took the topic's last record, seconds since the epoch; 0 where it is empty."""
        ends = {p: end for p, end in self.ends(topic).items() if end}
        consumer = Consumer({**self.config, "group.id": "bench", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(topic, p, end - 1) for p, end in ends.items()])
            found = consumer.consume(len(ends), TIMEOUT_S) if ends else []
        finally:
            consumer.close()
        if len(found) < len(ends):
            raise BenchError(f"could not read the ends of {topic}")
        return max((message.timestamp()[1] / 1000 for message in found), default=0.0)


@contextmanager
def cluster(properties: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A fresh broker on a free port for the length of the block; nothing of it is left."""
    # Appends are stamped by the broker, so that one clock times every engine.
    stamped = {"log.message.timestamp.type": "LogAppendTime", **(properties or {})}
    root = local_kafka.default_home().parent
    root.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=root))
    try:
        with local_kafka.running(home / "kafka", properties=stamped) as broker:
            yield Cluster(broker, home)
    except KafkaException as error:
        raise BenchError(f"the benchmark's broker failed: {error}") from error
    finally:
        shutil.rmtree(home, ignore_errors=True)
