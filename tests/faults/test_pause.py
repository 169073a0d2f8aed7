"""Workers that stop for longer than the group waits, and go on as if nothing had been."""

from __future__ import annotations

import signal
import time
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.small import SESSION_S
from tests.faults.trials import Fault, run, trials


def paused_beyond_the_session(deployment: Deployment, rng: Random) -> None:
    """SIGSTOP one of two workers until the other has its partitions, then SIGCONT, while events come."""
    crew = deployment.crew
    until(lambda: deployment.owners() == 2, "the second worker")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 1.0))
        paused = crew.members[rng.choice(sorted(crew.members))]
        paused.send(signal.SIGSTOP)
        try:
            until(lambda: deployment.owners() == 1, "the end of the paused worker's session", 10 * SESSION_S)
            time.sleep(rng.uniform(0.0, 2.0))
        finally:
            paused.send(signal.SIGCONT)
        time.sleep(rng.uniform(0.2, 1.0))


def test_a_worker_paused_beyond_its_session(deploy: Deploy) -> None:
    fault = Fault("SIGSTOP beyond the session, SIGCONT", paused_beyond_the_session)
    run([fault], trials(100, 2), [deploy("a", "b", static=False)])
