"""Retention removes records that nobody has read: they are named, and nothing beside them is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import Random

from streams.kafka.member.fetching import FETCH_MAX_WAIT_MS
from streams.local_kafka.local_kafka import free_port
from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.ingest_trials import stopped
from tests.faults.removing import Removing, RemovingSource, remove
from tests.faults.trials import Fault, run, trials

# For so long a broker may hold a stopped worker's last fetch, which what is written meanwhile would answer.
PARKED_S = 1 + FETCH_MAX_WAIT_MS / 1000
# Longer than a pause here, so that the worker stays in the group.
LONG_SESSION_S = 20.0


def cut(rng: Random, unread: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
    """Where each partition of the log shall begin: behind some of what is unread, all or nothing; not nothing of all.

    unread: where that begins.
    """
    begins = {p: unread.get(p, 0) for p in ends}
    found = {p: rng.choice((begins[p], rng.randint(begins[p], ends[p]), ends[p])) for p in ends}
    first = rng.choice([p for p in ends if ends[p] > begins[p]])
    return {**found, first: max(found[first], rng.randint(begins[first] + 1, ends[first]))}


def removed_while_stopped(deployment: Deployment, rng: Random) -> None:
    """Records come while no worker runs, and some of them are gone before the next one starts."""
    assert isinstance(deployment, Removing)
    load = deployment.load
    load.write(rng.randrange(50, 150))
    until(lambda: not deployment.unapplied(), "a state")
    deployment.crew.kill("a")
    deployment.witness.another()
    read = deployment.read_on()
    deployment.oracle.hold()
    load.write(rng.randrange(100, 300))
    remove(deployment.admin, deployment.witness.topic, cut(rng, read, deployment.read_on()))
    deployment.crew.start("a")
    with load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 1.0))
    deployment.judge()


def removed_under_load(deployment: Deployment, rng: Random) -> None:
    """While events come and the worker is paused for a moment, all that it has read goes, and some that it has not."""
    assert isinstance(deployment, Removing)
    until(lambda: deployment.owners() == 1, "the worker in the group")
    deployment.read_on()
    deployment.oracle.hold()
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 1.0))
        with stopped(deployment.crew.members["a"].pid):
            time.sleep(PARKED_S)
            unread = deployment.read_on()
            time.sleep(rng.uniform(0.2, 0.5))
            until(lambda: deployment.read_on() != unread, "something unread")
            remove(deployment.admin, deployment.witness.topic, cut(rng, unread, deployment.read_on()))
        time.sleep(rng.uniform(0.2, 0.5))
    deployment.judge()


def removed_from_source(deployment: Deployment, rng: Random) -> None:
    """The source loses records that were not ingested: from under a paused worker, or while none runs; events come."""
    assert isinstance(deployment, RemovingSource)
    until(lambda: deployment.owners() == 1, "the worker in the group")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.2, 1.0))
        if rng.random() < 0.5:
            with stopped(deployment.crew.members["a"].pid):
                time.sleep(PARKED_S)
                remove_unread(deployment, rng, deployment.ends())
        else:
            deployment.crew.leave("a")
            deployment.witness.another()
            remove_unread(deployment, rng, deployment.read())
            deployment.crew.start("a")
        time.sleep(rng.uniform(0.2, 0.5))
    deployment.judge()


def remove_unread(deployment: RemovingSource, rng: Random, unread: Mapping[int, int]) -> None:
    """A moment later remove some of what stands in the source from these offsets on."""
    time.sleep(rng.uniform(0.2, 0.5))
    until(lambda: deployment.ends() != unread, "something unread")
    remove(deployment.admin, deployment.source, cut(rng, unread, deployment.ends()))


def test_unread_records_are_removed(deploy: Deploy) -> None:
    kind = deploy("a", of=Removing, metrics_port=free_port())
    run([Fault("unread records removed", removed_while_stopped)], trials(20, 2), [kind])


def test_unread_records_are_removed_under_load(deploy: Deploy) -> None:
    # A worker that stays in the group meets the gap in its fetch; one that was expelled, in its recovery.
    kinds = [
        deploy("a", of=Removing, metrics_port=free_port(), session_timeout_s=LONG_SESSION_S),
        deploy("a", of=Removing, metrics_port=free_port()),
    ]
    run([Fault("unread records removed under load", removed_under_load)], trials(20, 2), kinds)


def test_unread_records_of_a_source_are_removed(deploy: Deploy) -> None:
    kind = deploy("a", of=RemovingSource, metrics_port=free_port(), session_timeout_s=LONG_SESSION_S)
    run([Fault("ingest: unread records removed", removed_from_source)], trials(20, 2), [kind])
