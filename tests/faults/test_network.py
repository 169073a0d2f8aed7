"""A network between workers and broker that delays, loses one direction, goes silent, or resets."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest

from tests.faults.deployment import RATE, Deploy, Deployment
from tests.faults.node import Node
from tests.faults.proxy import Mode
from tests.faults.trials import Fault, run, trials

# A connection that went silent is given up when a request on it times out, which takes longest.
SETTLE_S = {Mode.HALF_OPEN: 150.0, Mode.CUT_TO_BROKER: 60.0, Mode.CUT_TO_CLIENT: 60.0}


def spoilt(node: Node, mode: Mode) -> Callable[[Deployment, Random], None]:
    """A trial in which the network is spoilt for some seconds, at times longer than a session."""

    def trial(deployment: Deployment, rng: Random) -> None:
        # Where another took over, all may be applied while a silent connection still waits for its time-out.
        deployment.mostly_steady(rng, SETTLE_S.get(mode, 30.0))
        with deployment.load.flowing(RATE):
            time.sleep(rng.uniform(0.0, 1.0))
            node.proxy.set(mode)
            try:
                time.sleep(rng.uniform(0.5, 4.0))
            finally:
                node.proxy.set(Mode.THROUGH)
            time.sleep(rng.uniform(0.0, 0.5))

    return trial


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode != Mode.THROUGH])
def test_the_network_is_spoilt(mode: Mode, deploy: Deploy, node: Node) -> None:
    fault = Fault(f"network: {mode}", spoilt(node, mode), settle_s=SETTLE_S.get(mode, 30.0))
    lone, one_of_two = deploy("a", proxied="a"), deploy("a", "b", static=False, proxied="a")
    # Nobody takes over from a lone worker, so a silent connection holds it up until the request times out.
    kinds = [one_of_two, lone] if mode == Mode.HALF_OPEN else [lone, one_of_two]
    run([fault], trials(20, 1), kinds)
