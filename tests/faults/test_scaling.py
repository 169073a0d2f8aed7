"""Workers that come and go in order, while events come."""

from __future__ import annotations

import time
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.points import SLOW_RECOVERY, SLOW_S
from tests.faults.trials import Fault, run, trials


def restarted_in_turn(deployment: Deployment, rng: Random) -> None:
    """SIGTERM each of two workers and start it again, one after the other."""
    crew = deployment.crew
    until(lambda: deployment.owners() == 2, "both workers")
    with deployment.load.flowing(RATE):
        for name in sorted(crew.members):
            time.sleep(rng.uniform(0.0, 0.5))
            crew.leave(name)
            crew.start(name)
            until(lambda: deployment.owners() == 2, f"{name} in the group again")


def one_four_two(deployment: Deployment, rng: Random) -> None:
    """Three more workers join, then two leave, then the one that is left beside the first leaves too."""
    crew = deployment.crew
    until(lambda: deployment.owners() == 1, "the first worker")
    with deployment.load.flowing(RATE):
        for name in ("b", "c", "d"):
            crew.start(name)
            time.sleep(rng.uniform(0.0, 0.5))
        until(lambda: deployment.owners() == 4, "four workers")
        for name in rng.sample(("a", "b", "c", "d"), 2):
            time.sleep(rng.uniform(0.0, 0.5))
            crew.leave(name)
        until(lambda: deployment.owners() == 2, "two workers")


def stopped_at_once(deployment: Deployment, rng: Random) -> None:
    """SIGTERM three of four workers, one right after the other, so that each meets the rebalance of the others."""
    crew = deployment.crew
    for name in ("b", "c", "d"):
        crew.start(name)
    until(lambda: deployment.owners() == 4, "four workers")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 0.5))
        leaving = []
        for name in ("b", "c", "d"):
            leaving.append(crew.ask_to_stop(name))
            time.sleep(rng.uniform(0.0, 0.6))
        for member in leaving:
            status = member.wait()
            assert status == 0, f"{member.name} ended with {status} after SIGTERM"


def joined_while_idle(deployment: Deployment, rng: Random) -> None:
    """One of two workers leaves and comes back while nothing comes; events come the moment it is in the group.

    Then fetches that waited through the rebalance bring them.
    """
    crew = deployment.crew
    until(lambda: deployment.owners() == 2, "both workers")
    crew.leave("b")
    crew.start("b")
    until(lambda: deployment.owners() == 2, "b in the group again")
    time.sleep(rng.uniform(0.0, 0.3))
    deployment.load.write(80, RATE)


def taken_away_in_recovery(deployment: Deployment, rng: Random) -> None:
    """A worker that recovers slowly joins; while it does, two others join, and take a partition away from it."""
    crew = deployment.crew
    until(lambda: deployment.owners() == 1, "the first worker")
    with deployment.load.flowing(RATE):
        crew.start("b", SLOW_RECOVERY)
        until(lambda: deployment.owners() == 2, "the slow one")
        for name in ("c", "d"):
            crew.start(name)
            time.sleep(rng.uniform(0.0, 0.5))
        until(lambda: deployment.owners() == 4, "four workers")
        time.sleep(SLOW_S)


def test_partitions_are_taken_away_from_a_worker_that_recovers(deploy: Deploy) -> None:
    fault = Fault(
        "partitions taken away in recovery", taken_away_in_recovery, monotone=True, per_deployment=1
    )
    run([fault], trials(30, 1), [deploy("a", static=False, partitions=4)])


def test_a_worker_joins_an_idle_group(deploy: Deploy) -> None:
    fault = Fault("rebalance of an idle group", joined_while_idle, monotone=True)
    run([fault], trials(50, 3), [deploy("a", "b", static=False)])


def test_workers_restarted_in_turn(deploy: Deploy) -> None:
    fault = Fault("rolling restart", restarted_in_turn, monotone=True)
    run([fault], trials(30, 1), [deploy("a", "b", static=False)])


def test_one_worker_becomes_four_and_two(deploy: Deploy) -> None:
    fault = Fault("1 to 4 to 2 workers", one_four_two, monotone=True, per_deployment=1)
    run([fault], trials(30, 1), [deploy("a", static=False, partitions=4)])


def test_workers_are_stopped_at_once(deploy: Deploy) -> None:
    fault = Fault("3 of 4 workers stopped at once", stopped_at_once, monotone=True)
    run([fault], trials(50, 1), [deploy("a", static=False, partitions=4)])
