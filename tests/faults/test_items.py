"""Uses of items through kills, pauses and other numbers of workers: each counts once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.deployment import Deployment
from tests.faults.items import Learned
from tests.faults.node import Node
from tests.faults.test_kill import killed_at, killed_at_any_time, killed_while_it_recovers
from tests.faults.test_pause import paused_beyond_the_session
from tests.faults.test_scaling import one_four_two
from tests.faults.trials import Fault, run, trials

SHORT = 2
Kind = Callable[..., Callable[[int], Deployment]]


@pytest.fixture
def learning(node: Node, tmp_path: Path) -> Kind:
    """learning(workers, **fields) -> a function from a seed to a deployment whose workers learn of items."""

    def kind(*workers: str, **fields: Any) -> Callable[[int], Deployment]:
        return partial(started, node.servers, tmp_path, workers, fields)

    return kind


def started(servers: str, folder: Path, workers: tuple[str, ...], fields: Any, seed: int) -> Deployment:
    deployment = Learned(servers, folder / f"{seed}-{len(list(folder.iterdir()))}", seed, **fields)
    for name in workers:
        deployment.crew.start(name)
    return deployment


def test_a_worker_killed_at_any_time(learning: Kind) -> None:
    kinds = [learning("a"), learning("a", "b", static=False)]
    run([Fault("items: SIGKILL of a worker", killed_at_any_time)], trials(300, SHORT), kinds)


def test_a_worker_killed_between_what_it_says_and_the_states(learning: Kind) -> None:
    # What the batch says of items is on the broker; its states are not, or nobody knows.
    points = ("before output ack", "before changelog ack")
    faults = [Fault(f"items: SIGKILL {point}", killed_at(point)) for point in points]
    faults.append(Fault("items: SIGKILL after recovery", killed_while_it_recovers("after recovery")))
    run(faults, trials(25, 1), [learning("a")])


def test_a_worker_paused_beyond_its_session(learning: Kind) -> None:
    fault = Fault("items: SIGSTOP beyond the session, SIGCONT", paused_beyond_the_session)
    run([fault], trials(100, SHORT), [learning("a", "b", static=False)])


def test_one_worker_becomes_four_and_two(learning: Kind) -> None:
    fault = Fault("items: 1 to 4 to 2 workers", one_four_two, monotone=True, per_deployment=1)
    run([fault], trials(30, SHORT), [learning("a", static=False, partitions=4)])
