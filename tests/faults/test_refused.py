"""A broker that refuses one record of a batch: nothing behind it is appended, and the next worker has lost nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Producer

from streams.ops.process import FAILED
from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.ingest_trials import Trials
from tests.faults.node import Node
from tests.faults.points import REFUSALS
from tests.faults.trials import Fault, run, trials

DEATH_DEADLINE_S = 30.0
REJECTED = "refused rejection"
INGEST = ("refused canonical event", REJECTED)


def refused(point: str) -> Callable[[Deployment, Random], None]:
    """A trial in which a worker's broker refuses a record, while events come; the next worker's does not."""

    def trial(deployment: Deployment, rng: Random) -> None:
        crew = deployment.crew
        nth = rng.randrange(1, 4)
        if rng.random() < 0.5:
            # The first write of a worker to a partition, of which the broker knows no producer.
            deployment.load.write(50)
            crew.kill("a")
            member = crew.start("a", point, 1, dies=True)
        else:
            until(lambda: deployment.owners() == 1, "the worker in the group")
            member = crew.order("a", point, nth)
        with deployment.load.flowing(RATE):
            if point == REJECTED:
                for _ in range(nth):
                    write_broken(deployment)
            status = member.wait(DEATH_DEADLINE_S)
            crew.start("a")
        assert status == FAILED, f"the worker did not end with {FAILED} at a {point}: {status}"

    return trial


def write_broken(deployment: Deployment) -> None:
    """A record that is no event."""
    producer = Producer(deployment.config)
    producer.produce(deployment.settings.topics.raw_sources[0].topic, b"{", b"k", 0)
    assert producer.flush(30) == 0


def test_one_record_of_a_batch_is_refused(deploy: Deploy) -> None:
    faults = [Fault(f"one record refused: {p}", refused(p)) for p in REFUSALS if p not in INGEST]
    run(faults, trials(20, 2), [deploy("a")])


@pytest.fixture
def ingest(node: Node, tmp_path: Path) -> Trials:
    """Deployments whose events come through ingest."""
    return Trials(node, tmp_path)


@pytest.mark.parametrize("point", INGEST)
def test_one_record_of_a_batch_that_is_ingested_is_refused(point: str, ingest: Trials) -> None:
    ingest.run(Fault(f"one record refused: {point}", refused(point)), trials(20, 2), [ingest.kind("a")])
