"""Workers that are killed, at any time and at the worst times."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.points import POINTS, RECOVERY
from tests.faults.trials import Fault, run, trials

DEATH_DEADLINE_S = 20.0


def killed_at_any_time(deployment: Deployment, rng: Random) -> None:
    """SIGKILL one of the workers while events come, and start it again."""
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.1, 1.5))
        name = rng.choice(sorted(deployment.crew.members))
        deployment.crew.kill(name)
        deployment.crew.start(name)


def test_a_worker_killed_at_any_time(deploy: Deploy) -> None:
    # A lone worker with a stable name takes its place again at once; of two the other takes over.
    kinds = [deploy("a"), deploy("a", "b", static=False)]
    run([Fault("SIGKILL of a worker", killed_at_any_time)], trials(300, 5), kinds)


def killed_at(point: str, then: str = "") -> Callable[[Deployment, Random], None]:
    """A trial that kills a worker at a named point, while events come. then: the point of its next process."""

    def trial(deployment: Deployment, rng: Random) -> None:
        crew = deployment.crew
        until(lambda: deployment.owners() == len(crew.members), "every worker in the group")
        with deployment.load.flowing(RATE):
            member = crew.order(rng.choice(sorted(crew.members)), point, rng.randrange(1, 4))
            status = member.wait(DEATH_DEADLINE_S)
            crew.start(member.name, then)
        assert status == -signal.SIGKILL, f"the worker did not die {point}: {status}"

    return trial


def killed_while_it_recovers(point: str) -> Callable[[Deployment, Random], None]:
    """A trial that kills a worker, and the next one while it recovers, while events come."""

    def trial(deployment: Deployment, rng: Random) -> None:
        crew = deployment.crew
        deployment.load.write(100)
        until(lambda: not deployment.unapplied(), "a state")
        crew.kill("a")
        with deployment.load.flowing(RATE):
            status = crew.start("a", point, 1, dies=True).wait(DEATH_DEADLINE_S)
            crew.start("a")
        assert status == -signal.SIGKILL, f"the worker did not die {point}: {status}"

    return trial


def test_a_worker_killed_at_each_named_point(deploy: Deploy) -> None:
    faults = [
        Fault(f"SIGKILL {p}", killed_while_it_recovers(p) if p in RECOVERY else killed_at(p)) for p in POINTS
    ]
    run(faults, trials(25, 1), [deploy("a")])
