"""Changes of two-tower vectors through kills, pauses and other numbers of workers: each counts once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.item_points import BEFORE_PROGRESS, FORGETFUL, POINTS, TOLD_TWICE, UNCHECKED
from tests.faults.item_towers import IN_TIME, NONE_LOST, SAME_SUMS, Taught
from tests.faults.test_kill import killed_at, killed_at_any_time
from tests.faults.test_pause import paused_beyond_the_session
from tests.faults.trials import SEED, Fault, one, run, trials

LONG = 20


@pytest.fixture
def taught(deploy: Deploy) -> Deploy:
    """As `deploy`; the workers learn two-tower vectors, and another one takes over from one that is killed."""
    return partial(deploy, of=Taught, static=False)


def told_twice(deployment: Deployment, rng: Random, then: str = "") -> None:
    """A worker has told twice when it is killed; fails where the topic does not say so."""
    assert isinstance(deployment, Taught)
    before = deployment.told.repeated.total()
    killed_at(TOLD_TWICE, then)(deployment, rng)
    deployment.look()
    assert deployment.told.repeated.total() > before, "nothing stands in the topic twice"


def one_more_one_less(deployment: Deployment, rng: Random) -> None:
    """A worker joins the only one, and then one of the two leaves."""
    crew = deployment.crew
    until(lambda: deployment.owners() == 1, "the first worker")
    with deployment.load.flowing(RATE):
        time.sleep(rng.uniform(0.0, 0.5))
        crew.start("a" if "b" in crew.members else "b")
        until(lambda: deployment.owners() == 2, "two workers")
        time.sleep(rng.uniform(0.2, 1.0))
        crew.leave(rng.choice(("a", "b")))
        until(lambda: deployment.owners() == 1, "one worker")


def test_a_worker_killed_at_any_time(taught: Deploy) -> None:
    fault = Fault("vectors: SIGKILL of a worker", killed_at_any_time)
    run([fault], trials(LONG, 1), [taught("a", "b"), taught("a")])


def test_a_worker_killed_between_what_it_tells_or_adds_up_and_what_says_so(taught: Deploy) -> None:
    faults = [
        Fault(f"vectors: SIGKILL {point}", told_twice if point == TOLD_TWICE else killed_at(point))
        for point in POINTS
    ]
    run(faults, trials(LONG, 1), [taught("a", "b")])


def test_a_worker_paused_beyond_its_session(taught: Deploy) -> None:
    fault = Fault("vectors: SIGSTOP beyond the session, SIGCONT", paused_beyond_the_session)
    run([fault], trials(LONG, 1), [taught("a", "b")])


def test_one_worker_more_and_one_less(taught: Deploy) -> None:
    fault = Fault("vectors: 1 to 2 to 1 workers", one_more_one_less, monotone=True)
    run([fault], trials(LONG, 1), [taught("a")])


@pytest.mark.parametrize(
    ("trial", "mutant"),
    [
        (partial(told_twice, then=UNCHECKED), UNCHECKED),
        (killed_at(BEFORE_PROGRESS, FORGETFUL), FORGETFUL),
    ],
    ids=[UNCHECKED, FORGETFUL],
)
def test_a_mutant_is_found(taught: Deploy, trial: Callable[..., None], mutant: str) -> None:
    deployment = taught("a")(SEED)
    try:
        found = one(Fault(mutant, trial), deployment, Random(f"{SEED} {mutant}"))
    finally:
        deployment.close()
    # A record of vectors may tell of no use, so that the count of uses need not show it.
    assert found.get(SAME_SUMS), found
    assert not found["harness"] + found[NONE_LOST] + found[IN_TIME]
