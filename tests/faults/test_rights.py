"""A right that is taken from a running worker: it ends and says which, and the next one goes on once it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from confluent_kafka.admin import AclOperation

from tests.faults.deployment import Deployment, until
from tests.faults.guarded import Guarded, GuardedNode, Right
from tests.faults.trials import Fault, run, trials

END_DEADLINE_S = 60.0
# Events per second: so few that the next worker soon has read what came while there was none.
RATE = 200.0


@pytest.fixture(scope="module")
def guarded_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedNode]:
    """The broker with ACLs."""
    with GuardedNode(tmp_path_factory.mktemp("guarded-kafka")) as node:
        yield node


@pytest.fixture
def guarded(guarded_node: GuardedNode, tmp_path: Path) -> Callable[[int], Deployment]:
    """From a seed to a deployment with a worker that logs in."""

    def make(seed: int) -> Deployment:
        folder = tmp_path / f"{seed}"
        deployment = Guarded(guarded_node.servers, folder, seed, guarded=guarded_node.guarded)
        deployment.crew.start("a")
        return deployment

    return make


def right_taken(deployment: Deployment, rng: Random) -> None:
    """While events come, take a right from the worker, await its end, and give the right back to the next one."""
    assert isinstance(deployment, Guarded)
    until(lambda: deployment.owners() == 1, "the worker in the group")
    right = rng.choice(deployment.losable())
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 1.0))
        deployment.crew.expect_end("a")
        right.take(deployment.admin)
        missing = f"no right to {right.operation.name}"
        # Whoever is first says so: the look at the rights, or the client that the broker refuses.
        refused = "grant the right Write on it", f"{right.kind.upper()}_AUTHORIZATION_FAILED"
        last_words(deployment, right, missing, refused[right.operation == AclOperation.READ])
        if rng.random() < 0.5:
            deployment.crew.start("a", dies=True)
            last_words(deployment, right, missing)
        right.give(deployment.admin)
        deployment.crew.start("a")


def last_words(deployment: Guarded, right: Right, *reasons: str) -> None:
    """Await the worker's end, by an error; its log must name the resource, and give one of the reasons."""
    member = deployment.crew.members["a"]
    status = member.wait(END_DEADLINE_S)
    assert status, f"without {right} the worker has the status {status}"
    said = member.log.read_text(errors="replace").rpartition(" CRITICAL ")[2]
    assert right.name in said, f"the worker ends with {status} and does not name {right}: {said}"
    assert any(reason in said for reason in reasons), f"the worker does not say what {right} is: {said}"


def test_a_right_is_taken_away(guarded: Callable[[int], Deployment]) -> None:
    run([Fault("a right is taken away", right_taken)], trials(20, 2), [guarded])
