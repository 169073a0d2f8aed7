"""Sources of transactional producers under kills, and unread records that retention removes."""

from __future__ import annotations

import time
from random import Random

from confluent_kafka import TopicPartition

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.transactional_load import PlacedLoad, TransactionalLoad, with_load
from tests.faults.trials import Fault, run, trials


def killed_between_transactions(deployment: Deployment, rng: Random) -> None:
    """SIGKILL a worker while transactions come, of which some are aborted, and start it again."""
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.1, 1.5))
        name = rng.choice(sorted(deployment.crew.members))
        deployment.crew.kill(name)
        deployment.crew.start(name)


def test_transactions_with_aborts_and_a_worker_killed(deploy: Deploy) -> None:
    kinds = [with_load(deploy("a", ingest=ingest), TransactionalLoad) for ingest in (True, False)]
    fault = Fault("SIGKILL of a worker, transactions with aborts", killed_between_transactions)
    run([fault], trials(20, 2), kinds)


def removed_before_read(deployment: Deployment, rng: Random) -> None:
    """Records come while no worker runs, and some of them are gone before the next one starts."""
    load = deployment.load
    assert isinstance(load, PlacedLoad)
    load.write(rng.randrange(50, 150))
    until(lambda: not deployment.unapplied(), "a state")
    deployment.crew.kill("a")
    read = load.ends()
    before = removed(deployment)
    load.write(rng.randrange(100, 300))
    gone = {p: (read.get(p, 0), rng.randint(read.get(p, 0), end)) for p, end in load.ends().items()}
    asked = [TopicPartition(load.topic, partition, end) for partition, (_, end) in gone.items()]
    for answer in deployment.admin.delete_records(asked).values():
        answer.result(20)
    load.forget(gone)
    deployment.crew.start("a")
    lost = sum(end - begin for begin, end in gone.values())
    until(lambda: removed(deployment) - before == lost, f"{lost} removed offsets in the books")


def removed(deployment: Deployment) -> int:
    """Offsets that the marks' books call removed."""
    deployment.look()
    return sum(mark["books"].get("removed", 0) for mark in deployment.changelog.marks.values())


def test_unread_records_removed(deploy: Deploy) -> None:
    kind = with_load(deploy("a"), PlacedLoad)
    run([Fault("unread records removed", removed_before_read)], trials(20, 2), [kind])
