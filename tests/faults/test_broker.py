"""A broker that is restarted in order, or killed; every record of ours is written with acks=all."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment
from tests.faults.node import Node
from tests.faults.trials import Fault, run, trials


def away(node: Node, end: Callable[[], None]) -> Callable[[Deployment, Random], None]:
    """A trial in which the broker ends, is away for a moment, and comes back."""

    def trial(deployment: Deployment, rng: Random) -> None:
        deployment.mostly_steady(rng)
        with deployment.load.flowing(RATE):
            time.sleep(rng.uniform(0.0, 1.0))
            end()
            try:
                time.sleep(rng.uniform(0.0, 2.0))
            finally:
                node.start()
            time.sleep(rng.uniform(0.0, 0.5))

    return trial


def test_the_broker_is_restarted(deploy: Deploy, node: Node) -> None:
    run([Fault("broker restarted", away(node, node.stop))], trials(50, 1), [deploy("a")])


def test_the_broker_is_killed(deploy: Deploy, node: Node) -> None:
    run([Fault("broker killed", away(node, node.kill))], trials(50, 1), [deploy("a")])
