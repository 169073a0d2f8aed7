"""Faults on a cluster of three brokers, with three copies of every topic: what one broker has cannot be missed.

Each is made with events that come canonical, and with events that are ingested first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from streams.kafka.log_bounds import bounds_now
from streams.kafka.topics import specifications as topics
from tests.faults.cluster import BROKER_SESSION_S, NODES, Cluster, ClusterNode
from tests.faults.deployment import RATE, Deploy, Deployment
from tests.faults.ingesting import Ingesting
from tests.faults.reassign import reassign
from tests.faults.small import SESSION_S, small_settings
from tests.faults.trials import Fault, run, trials, when_asked_for

pytestmark = when_asked_for
KIND: dict[str, type[Deployment]] = {"canonical": Deployment, "raw": Ingesting}
# Of a broker that is stopped: beyond the workers' sessions, and mostly beyond its own.
STOPPED_S = (SESSION_S + 0.5, 12.0)
NUMBERS = range(1, NODES + 1)
Trial = Callable[[Deployment, Random], None]
Choose = Callable[[Deployment], ClusterNode]
Made = Callable[[int], Deployment]


@pytest.fixture(params=list(KIND))
def made(request: pytest.FixtureRequest, deploy_on_cluster: Deploy) -> Made:
    """Two workers, for events of either kind."""
    return deploy_on_cluster("a", "b", static=False, of=KIND[request.param])


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Of the events of `made`."""
    name: str = request.node.callspec.params["made"]
    return name


def named(fault: str, kind: str) -> str:
    """Name of a fault, in the table of results."""
    return fault + (", events through ingest" if kind == "raw" else "")


def used(deployment: Deployment) -> list[str]:
    """The topics that the workers read and write while events come."""
    s = deployment.settings
    return [*{s.topics.sources[0].topic, s.topics.canonical}, s.topics.state, s.topics.vectors]


@contextmanager
def under_load(cluster: Cluster, deployment: Deployment, rng: Random) -> Iterator[None]:
    """A cluster that has nothing to make up for, mostly a steady group, and events that come."""
    cluster.await_whole()
    deployment.mostly_steady(rng)
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 1.0))
        yield
        time.sleep(rng.uniform(0.2, 1.0))


def leader(cluster: Cluster) -> Choose:
    """Chooses the leader of most partitions."""
    return lambda deployment: cluster.leader_of_most(used(deployment))


def coordinator(cluster: Cluster) -> Choose:
    """Chooses the group's coordinator."""
    return lambda deployment: cluster.coordinator(deployment.settings.topics.group)


def killed(cluster: Cluster, choose: Choose, worker: bool = False) -> Trial:
    """SIGKILL of a broker, which comes back after a while. worker: one is killed together with it."""

    def trial(deployment: Deployment, rng: Random) -> None:
        with under_load(cluster, deployment, rng):
            node, name = choose(deployment), rng.choice(sorted(deployment.crew.members))
            node.kill()
            try:
                if worker:
                    deployment.crew.kill(name)
                    deployment.crew.start(name)
                # Shorter than its session: it is back before another leads. Longer: others lead.
                time.sleep(rng.uniform(0.0, 3 * BROKER_SESSION_S))
            finally:
                node.start()

    return trial


def stopped(cluster: Cluster, choose: Choose) -> Trial:
    """SIGSTOP of a broker beyond the sessions of the workers, then SIGCONT."""

    def trial(deployment: Deployment, rng: Random) -> None:
        with under_load(cluster, deployment, rng):
            node = choose(deployment)
            node.pause()
            try:
                time.sleep(rng.uniform(*STOPPED_S))
            finally:
                node.resume()

    return trial


def restarted(cluster: Cluster) -> Trial:
    """All brokers end in order and come back, one after the other, as in an upgrade."""

    def trial(deployment: Deployment, rng: Random) -> None:
        with under_load(cluster, deployment, rng):
            for node in rng.sample(cluster.nodes, NODES):
                node.stop()
                node.start()
                cluster.await_whole()

    return trial


def moved(cluster: Cluster) -> Trial:
    """Each partition goes to the two brokers that do not lead it, and then back to all three."""

    def trial(deployment: Deployment, rng: Random) -> None:
        with under_load(cluster, deployment, rng):
            led = cluster.leaders(used(deployment))
            others = {
                t: {p: [n for n in NUMBERS if n != now] for p, now in of.items()} for t, of in led.items()
            }
            reassign(cluster.servers, others)
            cluster.await_whole(others)
            time.sleep(rng.uniform(0.0, 1.0))
            every = {t: {p: rng.sample(NUMBERS, NODES) for p in of} for t, of in led.items()}
            reassign(cluster.servers, every)
            cluster.await_whole(every)

    return trial


def test_a_broker_that_ends_or_hangs(cluster: Cluster, made: Made, kind: str) -> None:
    """A coordinator that hangs expels every member, though none was away."""
    faults = [
        Fault(named("leader of most partitions killed", kind), killed(cluster, leader(cluster))),
        Fault(named("leader of most partitions stopped", kind), stopped(cluster, leader(cluster))),
        Fault(named("coordinator of the group stopped", kind), stopped(cluster, coordinator(cluster))),
    ]
    run(faults, trials(20, 1), [made])


def test_a_broker_and_a_worker_killed_together(cluster: Cluster, made: Made, kind: str) -> None:
    trial = killed(cluster, leader(cluster), worker=True)
    run([Fault(named("leader and worker killed together", kind), trial)], trials(10, 1), [made])


def test_what_operators_do_to_a_cluster(cluster: Cluster, made: Made, kind: str) -> None:
    faults = [
        Fault(named("rolling restart of three brokers", kind), restarted(cluster)),
        Fault(named("partitions reassigned", kind), moved(cluster)),
    ]
    run(faults, trials(5, 1), [made])


def test_topics_are_made_at_once_on_every_broker(cluster: Cluster) -> None:
    """Right after `topics create` each broker may be asked, also one that has not heard of them yet."""
    admin = cluster.admin()
    for number in range(trials(70, 8)):
        settings = small_settings(cluster.servers, f"c{number}.", replication_factor=NODES)
        names = {spec.name for spec in topics.specs(settings)}
        assert set(topics.create(settings)) == names
        for future in admin.delete_topics(list(names)).values():
            future.result(20)


def test_a_reader_finds_the_next_leader_while_the_last_is_away(cluster: Cluster) -> None:
    """Whoever knew the leader of old: a worker that recovers, or a reader that looks how far a topic goes."""
    topic, admin = "bounds", cluster.admin()
    admin.create_topics([NewTopic(topic, 1, NODES)])[topic].result(30)
    cluster.await_whole()
    consumer = Consumer({"bootstrap.servers": cluster.servers, "group.id": topic, "log_level": 0})
    assert bounds_now(consumer, TopicPartition(topic, 0)) == (0, 0)
    node = cluster.leader_of_most([topic])
    node.pause()
    try:
        assert bounds_now(consumer, TopicPartition(topic, 0)) == (0, 0)
    finally:
        node.resume()
        consumer.close()
