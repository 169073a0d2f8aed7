"""A cluster of three local brokers, each of which can be killed, stopped and started again.

Each node is broker and controller; topics have three copies, of which two must be in sync. By hand:
`python -m tests.faults.cluster [HOME]` starts one, prints its bootstrap servers, and ends it at Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.local_kafka import files as kafka_files
from streams.local_kafka import node as kafka_node
from streams.local_kafka.files import HOST
from streams.local_kafka.install import find_jars, find_java
from streams.local_kafka.node import free_port
from streams.local_kafka.warmup import START_DEADLINE_S, warm_options
from tests.faults.node import kill
from tests.faults.reassign import Moves

T = TypeVar("T")
NODES = 3
HEAP_MB = 256
DEADLINE_S = 60.0
NOTHING_MOVED: Moves = {}
ANSWER_S = 2.0
# A broker that says nothing for so long is no longer a leader, and its copies are no longer in sync.
BROKER_SESSION_S = 3.0
_SPREAD = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
PROPERTIES = {
    # So that a paused worker is found out within a test's time.
    "group.min.session.timeout.ms": "500",
    "default.replication.factor": str(NODES),
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "replica.lag.time.max.ms": "2000",
    "broker.session.timeout.ms": str(round(1000 * BROKER_SESSION_S)),
    "broker.heartbeat.interval.ms": "500",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.min.isr": "2",
    **{f"{prefix}.replication.factor": str(NODES) for prefix in _SPREAD},
}


class ClusterNode:
    """One node, with a data folder of its own."""

    def __init__(self, number: int, home: Path) -> None:
        self.number, self.home, self.pid = number, home, 0
        self.port, self.controller_port = free_port(), free_port()

    @property
    def server(self) -> str:
        """Its address for clients (host:port)."""
        return f"{HOST}:{self.port}"

    def prepare(self, voters: str, cluster_id: str) -> None:
        """Write its settings, and format its data folder where that is new."""
        given = {**PROPERTIES, "node.id": str(self.number), "controller.quorum.voters": voters}
        properties = kafka_files.node_properties(self.home, self.port, self.controller_port, given)
        kafka_files.write_files(self.home, properties)
        kafka_node.format_data(self.home, find_java(), find_jars(self.home), cluster_id)

    def launch(self) -> None:
        """Start its process, with the data that it had; does not wait."""
        java, jars = find_java(), find_jars(self.home)
        options = [f"-Xmx{HEAP_MB}m", "-Xms64m", *warm_options(java, jars)]
        self.pid = kafka_node.launch(self.home, java, jars, options, ends_with_parent=True)

    def await_answer(self) -> None:
        """Return once it answers clients."""
        kafka_node.wait_until_up(self.home, self.pid, self.server, START_DEADLINE_S)

    def start(self) -> None:
        """Start it, and return once it answers."""
        self.launch()
        self.await_answer()

    def stop(self) -> None:
        """End it in order: it hands its leaderships over first."""
        if self.pid:
            self.resume()  # a stopped process takes no SIGTERM
            kafka_node.terminate(self.home, self.pid)

    def kill(self) -> None:
        """SIGKILL, and return when it is gone."""
        kill(self.home, self.pid)

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT; nothing where it has ended."""
        if kafka_node.is_running(self.home, self.pid):
            os.kill(self.pid, signal.SIGCONT)


class Cluster:
    """Three nodes, which run for the length of a `with` block."""

    def __init__(self, home: Path) -> None:
        """home: folder with a folder per node."""
        self.nodes = [ClusterNode(number, home / str(number)) for number in range(1, NODES + 1)]

    @property
    def servers(self) -> str:
        """Bootstrap servers."""
        return ",".join(node.server for node in self.nodes)

    def start(self) -> None:
        """Start all, and return once each answers."""
        voters = ",".join(f"{node.number}@{HOST}:{node.controller_port}" for node in self.nodes)
        cluster_id = kafka_node.new_cluster_id()
        for node in self.nodes:
            node.prepare(voters, cluster_id)
        # One alone is no quorum, and would never answer.
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.await_answer()
        self.await_whole()

    def stop(self) -> None:
        """End all. The last ones have no quorum to hand their leaderships to, and would wait for it."""
        for node in self.nodes:
            if node.pid:
                node.kill()

    def node(self, number: int) -> ClusterNode:
        """By its Kafka id, from 1."""
        return self.nodes[number - 1]

    def admin(self) -> AdminClient:
        """A new client; one that never saw a broker go."""
        return _client(self.servers)

    def leaders(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        """Topic -> partition -> the node that leads it now."""
        found = self._ask(lambda admin: admin.list_topics(timeout=ANSWER_S).topics)
        return {name: {n: p.leader for n, p in found[name].partitions.items()} for name in topics}

    def leader_of_most(self, topics: Collection[str]) -> ClusterNode:
        """The leader of most partitions of these topics."""
        led = Counter(leader for of in self.leaders(topics).values() for leader in of.values())
        return self.node(led.most_common(1)[0][0])

    def coordinator(self, group: str) -> ClusterNode:
        """The coordinator of a consumer group."""

        def ask(admin: AdminClient) -> Any:
            described = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)
            return described[group].result(2 * ANSWER_S).coordinator.id

        return self.node(self._ask(ask))

    def await_whole(self, copies: Moves = NOTHING_MOVED) -> None:
        """Return once every node says that each partition has a leader, and all its copies in sync.

        copies: and that these partitions are where they shall be.
        """
        started, left = time.monotonic(), self.nodes
        while left := [node for node in left if not self._says_whole(node, copies)]:
            missing = ", ".join(str(node.number) for node in left)
            assert time.monotonic() < started + DEADLINE_S, f"to node {missing} the cluster is not whole"
            time.sleep(0.1)

    def _says_whole(self, node: ClusterNode, copies: Moves) -> bool:
        try:
            found = _client(node.server).list_topics(timeout=ANSWER_S)
        except KafkaException:
            return False
        partitions = [p for topic in found.topics.values() for p in topic.partitions.values()]
        in_sync = all(p.leader > 0 and set(p.isrs) == set(p.replicas) for p in partitions)
        return (
            in_sync
            and len(found.brokers) == NODES
            and all(
                set(found.topics[topic].partitions[number].replicas) == set(brokers)
                for topic, of in copies.items()
                for number, brokers in of.items()
            )
        )

    def _ask(self, question: Callable[[AdminClient], T]) -> T:
        started = time.monotonic()
        while True:
            try:
                return question(self.admin())
            except (KafkaException, TimeoutError):
                if time.monotonic() > started + DEADLINE_S:
                    raise
                time.sleep(0.1)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()


def _client(servers: str) -> AdminClient:
    """A new one: it holds no connection but to these, and remembers no broker that was away."""
    return AdminClient({"bootstrap.servers": servers, "log_level": 0})


def main() -> None:
    """Run a cluster until Ctrl-C."""
    home = Path(sys.argv[1]).absolute() if sys.argv[1:] else Path(tempfile.mkdtemp(prefix="cluster-"))
    with Cluster(home) as cluster:
        print(f"bootstrap servers {cluster.servers}, home {home}", flush=True)
        for node in cluster.nodes:
            print(f"node {node.number}: {node.server}, pid {node.pid}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
