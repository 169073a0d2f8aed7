"""Topics of transactional producers, and a worker that is killed meanwhile."""

from __future__ import annotations

import time
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment
from tests.faults.transactional_load import TransactionalLoad, with_load
from tests.faults.trials import Fault, run, trials


def killed_between_transactions(deployment: Deployment, rng: Random) -> None:
    """SIGKILL a worker while transactions come, of which some are aborted, and start it again."""
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.1, 1.5))
        name = rng.choice(sorted(deployment.crew.members))
        deployment.crew.kill(name)
        deployment.crew.start(name)


def test_transactions_with_aborts_and_a_worker_killed(deploy: Deploy) -> None:
    kinds = [with_load(deploy("a"), TransactionalLoad)]
    fault = Fault("SIGKILL of a worker, transactions with aborts", killed_between_transactions)
    run([fault], trials(20, 2), kinds)
