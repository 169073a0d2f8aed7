"""Topics that are not what the state was built from: a worker must not start, and must say what to do."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import NewPartitions, NewTopic

from streams.kafka.topics import specifications as topics
from tests.faults.deployment import Deploy, Deployment, until
from tests.faults.trials import Tally, require

EVENTS = 200
END_DEADLINE_S = 20.0


@pytest.fixture
def built(deploy: Deploy) -> Deployment:
    """A deployment with a state, and no worker any more."""
    deployment = deploy("a")(0)
    deployment.load.write(EVENTS)
    until(lambda: not deployment.unapplied(), "a state")
    deployment.crew.stop("a")
    return deployment


def refusal(deployment: Deployment) -> list[str]:
    """What is wrong with how the next worker ends; nothing where it refuses and says what to do."""
    log = deployment.crew.folder / "a.log"
    before = len(log.read_text(errors="replace"))
    status = deployment.crew.start("a", dies=True).wait(END_DEADLINE_S)
    said = log.read_text(errors="replace")[before:]
    deployment.crew.close()
    if status is None:
        return [f"it did not refuse to start; it said: {said[-300:]}"]
    if not status:
        return ["it refused with exit status 0"]
    advice = "INTERESTFLOW_GENERATION" in said and "interestflow topics create" in said
    return [] if advice else [f"it ended with {status} and does not say what to do: {said[-300:]}"]


def conclude(name: str, deployment: Deployment) -> None:
    """Start a worker, and write down whether it refused."""
    tally = Tally(name)
    try:
        tally.record(name, {"refuses, and says what to do": refusal(deployment)})
    finally:
        deployment.close()
    require([tally])


def recreate(deployment: Deployment) -> None:
    """Remove the canonical topic, and make it again."""
    topic = deployment.settings.topics.canonical
    deployment.admin.delete_topics([topic])[topic].result(20)
    until(lambda: topic not in deployment.admin.list_topics(timeout=10).topics, "the end of the topic")
    deployment.admin.create_topics([NewTopic(topic, deployment.partitions, 1)])[topic].result(20)
    topics.create(deployment.settings)  # returns once it can be used


def test_the_source_was_recreated_and_is_empty(built: Deployment) -> None:
    recreate(built)
    conclude("source recreated, empty", built)


def test_the_source_was_recreated_and_is_longer_than_before(built: Deployment) -> None:
    """Its offsets say nothing: only who the topic is tells that it is another one."""
    recreate(built)
    built.load.write(3 * EVENTS)
    conclude("source recreated, longer than before", built)


def test_the_source_has_more_partitions(built: Deployment) -> None:
    topic = built.settings.topics.canonical
    built.admin.create_partitions([NewPartitions(topic, built.partitions + 2)])[topic].result(20)
    until(lambda: len(built.admin.list_topics(topic, 10).topics[topic].partitions) > built.partitions, "them")
    conclude("source with more partitions", built)
