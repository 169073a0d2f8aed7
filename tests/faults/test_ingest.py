"""Whatever happens to the workers that ingest, each source event counts once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from confluent_kafka.admin import AdminClient

from streams.local_kafka import local_kafka
from tests.faults.deployment import RATE, until
from tests.faults.ingest_trials import Trials, stopped
from tests.faults.ingesting import Ingesting
from tests.faults.node import Node
from tests.faults.points import AROUND_COMMIT, AROUND_INGEST
from tests.faults.small import SESSION_S
from tests.faults.sources import SourceLoad, Sources, make_topic
from tests.faults.trials import Fault, trials

DEATH_DEADLINE_S = 20.0
BACKLOG, BACKLOG_PARTITIONS, BACKLOG_S = 90_000, 4, 90.0
# As by default: so much is written and not committed when a worker is killed.
LARGE = {"batch_events": 4000, "commit_interval_s": 2.0}
# Kafka's own lower bound of a session; and longer than that.
COORDINATED_S, HANG_S = 6.0, 12.0
# Each generation folds the whole log again, in batches of 25 events.
REBUILD_S = 120.0
# A heartbeat that was under way may be read before the session is found to have ended: then it is tried again.
HANGS = 8
Trial = Callable[[Ingesting, Random], None]


@pytest.fixture
def ingest(node: Node, tmp_path: Path) -> Trials:
    """Trials on the broker of these tests."""
    return Trials(node, tmp_path)


@pytest.fixture(scope="module")
def backlog(node: Node) -> Sources:
    """A source topic full of records, which each deployment ingests for itself."""
    admin, topic = (
        AdminClient({"bootstrap.servers": node.servers, "log_level": 0}),
        f"backlog-{time.time_ns()}",
    )
    make_topic(admin, topic, BACKLOG_PARTITIONS)
    sources = Sources([SourceLoad(node.servers, topic, 0)])
    sources.write(BACKLOG)
    return sources


# --- killed -----------------------------------------------------------------------------------------------


def killed_under_load(deployment: Ingesting, rng: Random) -> None:
    """SIGKILL one of the workers while events come, at any time or between a delivery and its commit."""
    crew = deployment.crew
    until(lambda: deployment.owners() == len(crew.members), "every worker in the group")
    with deployment.load.flowing(RATE):
        name = rng.choice(sorted(crew.members))
        point = rng.choice(("", AROUND_INGEST[0], AROUND_INGEST[1], AROUND_COMMIT[0]))
        if point:
            status = crew.order(name, point, rng.randrange(1, 4)).wait(DEATH_DEADLINE_S)
            assert status == -signal.SIGKILL, f"the worker did not die {point}: {status}"
        else:
            time.sleep(rng.uniform(0.1, 1.5))
            crew.kill(name)
        crew.start(name)


def killed_with_a_backlog(deployment: Ingesting, rng: Random) -> None:
    """SIGKILL one of two workers, three times, and start it again, while they work off what has piled up."""
    for name in ("a", "b"):
        deployment.crew.start(name)
    for share in sorted(rng.uniform(0.05, 0.8) for _ in range(3)):
        until(lambda share=share: deployment.ingested() > share * BACKLOG, "part of the backlog", BACKLOG_S)
        name = rng.choice(("a", "b"))
        deployment.crew.kill(name)
        deployment.crew.start(name)


def test_workers_killed_while_they_ingest(ingest: Trials) -> None:
    kinds = [ingest.kind("a"), ingest.kind("a", "b")]
    ingest.run(Fault("ingest: SIGKILL", killed_under_load), trials(20, 2), kinds, repeats=True)


def test_workers_killed_while_they_ingest_a_backlog(ingest: Trials, backlog: Sources) -> None:
    fault = Fault(
        "ingest: 3 SIGKILL, 90,000 behind", killed_with_a_backlog, settle_s=BACKLOG_S, per_deployment=1
    )
    ingest.run(fault, trials(20, 2), [ingest.kind(backlog=backlog, **LARGE)], repeats=True)


# --- paused -----------------------------------------------------------------------------------------------


def pause(deployment: Ingesting, rng: Random) -> None:
    """SIGSTOP one of two workers until the other has its partitions, and for a moment longer."""
    members = deployment.crew.members
    with stopped(members[rng.choice(sorted(members))].pid):
        until(lambda: deployment.owners() == 1, "the end of the paused worker's session", 10 * SESSION_S)
        time.sleep(rng.uniform(0.0, 2.0))


def paused_under_load(deployment: Ingesting, rng: Random) -> None:
    """Pause one of two workers while events come."""
    until(lambda: deployment.owners() == 2, "both workers")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 1.0))
        pause(deployment, rng)
        time.sleep(rng.uniform(0.2, 1.0))


def paused_with_a_backlog(deployment: Ingesting, rng: Random) -> None:
    """Pause one of two workers while they work off what has piled up."""
    for name in ("a", "b"):
        deployment.crew.start(name)
    until(lambda: deployment.owners() == 2, "both workers")
    share = rng.uniform(0.05, 0.5)
    until(lambda: deployment.ingested() > share * BACKLOG, "part of the backlog", BACKLOG_S)
    pause(deployment, rng)


def test_a_worker_paused_beyond_its_session_while_it_ingests(ingest: Trials) -> None:
    ingest.run(Fault("ingest: SIGSTOP, SIGCONT", paused_under_load), trials(20, 2), [ingest.kind("a", "b")])


def test_a_worker_paused_beyond_its_session_while_it_ingests_a_backlog(
    ingest: Trials, backlog: Sources
) -> None:
    name = "ingest: SIGSTOP, SIGCONT, 90,000 behind"
    fault = Fault(name, paused_with_a_backlog, settle_s=BACKLOG_S, per_deployment=1)
    ingest.run(fault, trials(20, 2), [ingest.kind(backlog=backlog, **LARGE)], repeats=True)


def coordinator_hangs(node: Node) -> Trial:
    """A trial in which the broker stops for so long that all members are expelled, while events come."""

    def trial(deployment: Ingesting, rng: Random) -> None:
        broker = local_kafka.status(node.home)
        assert broker is not None
        for _ in range(HANGS):
            until(lambda: deployment.owners() == 2, "both workers")
            before = deployment.member_ids()
            with deployment.load.flowing(RATE):
                time.sleep(rng.uniform(0.5, 1.5))
                with stopped(broker.pid):
                    time.sleep(HANG_S)
                until(lambda: deployment.owners() == 2, "both workers again")
                time.sleep(rng.uniform(0.2, 1.0))
            if not before & deployment.member_ids():
                return
        raise AssertionError(f"not all members were expelled, in {HANGS} times")

    return trial


def test_the_coordinator_hangs_while_workers_ingest(ingest: Trials, node: Node) -> None:
    fault = Fault("ingest: SIGSTOP of the coordinator", coordinator_hangs(node))
    ingest.run(fault, trials(20, 2), [ingest.kind("a", "b", session_timeout_s=COORDINATED_S)])


# --- replaced ---------------------------------------------------------------------------------------------


def upgraded(deployment: Ingesting, rng: Random) -> None:
    """A worker of the next generation starts, both ingest for a while, and the old one leaves; events come."""
    (old,) = deployment.crew.members
    until(lambda: deployment.owners() == 1, f"worker {old}")
    with deployment.load.flowing(RATE):
        deployment.upgrade()
        new = f"g{deployment.settings.topics.generation}"
        deployment.crew.start(new)
        until(lambda: deployment.owners() == 1, f"worker {new}")
        time.sleep(rng.uniform(1.0, 3.0))
        deployment.crew.leave(old)
        time.sleep(rng.uniform(0.2, 1.0))


def test_two_generations_ingest_at_once(ingest: Trials) -> None:
    fault = Fault("ingest: two generations at once", upgraded, settle_s=REBUILD_S)
    ingest.run(fault, trials(20, 2), [ingest.kind("g1")])


def test_sources_that_number_their_events_alike(ingest: Trials) -> None:
    fault = Fault("ingest: three sources with the same ids, SIGKILL", killed_under_load)
    raw = {"clicks": 3, "orders": 2, "views": 1}
    ingest.run(fault, trials(20, 2), [ingest.kind("a", "b", raw=raw, partitions=4)])
