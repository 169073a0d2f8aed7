"""Source topics that are made anew or shortened: what was ingested stays, and what comes is another's event."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import TopicPartition

from tests.faults.deployment import RATE, until
from tests.faults.ingest_trials import Trials, stopped
from tests.faults.ingesting import Ingesting
from tests.faults.node import Node
from tests.faults.sources import make_topic
from tests.faults.trials import Fault, trials

PARTITIONS = 2
PAUSE_S = 1.0


@pytest.fixture
def ingest(node: Node, tmp_path: Path) -> Trials:
    """Trials on the broker of these tests."""
    return Trials(node, tmp_path)


def all_ingested(deployment: Ingesting) -> None:
    """Wait until the group has read and committed all."""
    until(lambda: not deployment.unapplied() and not deployment.lag(), "the end of the source")


def recreated(deployment: Ingesting, rng: Random) -> None:
    """While no worker runs, remove the source and make it again, with fewer or more records than it had."""
    topic, admin = deployment.load.loads[0].topic, deployment.admin
    deployment.load.write(rng.randrange(50, 200))
    all_ingested(deployment)
    deployment.crew.leave("a")
    admin.delete_topics([topic])[topic].result(20)
    until(lambda: topic not in admin.list_topics(timeout=10).topics, "the end of the topic")
    make_topic(admin, topic, PARTITIONS)
    until(lambda: topic in admin.list_topics(timeout=10).topics, "the topic")
    deployment.load.write(rng.choice((20, 500)))
    deployment.crew.start("a")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 0.5))


def truncate(deployment: Ingesting, before: dict[int, int]) -> None:
    """Remove the source's records that stand before these offsets, as retention does."""
    topic = deployment.load.loads[0].topic
    asked = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for done in deployment.admin.delete_records(asked).values():
        done.result(20)


def give_up(deployment: Ingesting, before: dict[int, int]) -> None:
    """What was removed and is not in the log, once the group stands behind it, was never ingested."""
    deployment.look()
    removed = deployment.load.removed(deployment.load.loads[0].topic, before)
    deployment.load.gone |= removed - deployment.truth.seen


def truncated_while_stopped(deployment: Ingesting, rng: Random) -> None:
    """While no worker runs, remove what it has read; mostly also something that it has not."""
    topic = deployment.load.loads[0].topic
    deployment.load.write(rng.randrange(50, 200))
    all_ingested(deployment)
    deployment.crew.leave("a")
    deployment.load.write(rng.randrange(50, 200))
    asked = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    read, ends = deployment.committed(topic, PARTITIONS), deployment.offsets(asked)
    before = {p: rng.choice((read[p], rng.randint(read[p], ends[p]), ends[p])) for p in ends}
    truncate(deployment, before)
    give_up(deployment, before)
    deployment.crew.start("a")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 0.5))


def truncated(deployment: Ingesting, rng: Random) -> None:
    """Remove all that is in the source while events come, from under the worker or while it is paused."""
    topic = deployment.load.loads[0].topic
    until(lambda: deployment.owners() == 1, "the worker")
    asked = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 1.0))
        with stopped(deployment.crew.members["a"].pid) if rng.random() < 0.5 else nullcontext():
            time.sleep(PAUSE_S)
            before = deployment.offsets(asked)
            truncate(deployment, before)
        time.sleep(rng.uniform(0.2, 0.5))
    until(lambda: not deployment.lag(), "the end of the source")
    give_up(deployment, before)


def test_the_source_is_made_anew(ingest: Trials) -> None:
    ingest.run(Fault("ingest: source recreated", recreated), trials(20, 2), [ingest.kind("a")])


def test_the_source_is_truncated_while_no_worker_runs(ingest: Trials) -> None:
    fault = Fault("ingest: source truncated while stopped", truncated_while_stopped)
    ingest.run(fault, trials(20, 2), [ingest.kind("a")])


def test_the_source_is_truncated(ingest: Trials) -> None:
    ingest.run(Fault("ingest: source truncated", truncated), trials(20, 2), [ingest.kind("a")])
