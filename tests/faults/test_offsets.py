"""Group offsets that somebody resets: the changelog, not they, says where to go on."""

from __future__ import annotations

from random import Random

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from tests.faults.deployment import Deploy, Deployment, until
from tests.faults.trials import Fault, run, trials


def reset_to_zero(deployment: Deployment, _rng: Random) -> None:
    """Stop the worker, set every offset of its group to 0, and start it again, while events come."""
    crew, settings = deployment.crew, deployment.settings
    deployment.load.write(200)
    until(lambda: not deployment.unapplied(), "a state")
    crew.leave("a")
    topics = (settings.topics.canonical, settings.topics.items)
    zero = [TopicPartition(topic, p, 0) for topic in topics for p in range(settings.topics.partitions)]
    asked = ConsumerGroupTopicPartitions(settings.topics.group, zero)
    until(lambda: deployment.owners() == 0, "an empty group")
    deployment.admin.alter_consumer_group_offsets([asked])[settings.topics.group].result(20)
    deployment.load.write(100)
    crew.start("a")
    deployment.load.write(100)


def test_offsets_reset_to_zero(deploy: Deploy) -> None:
    fault = Fault("group offsets reset to 0", reset_to_zero, monotone=True)
    run([fault], trials(30, 1), [deploy("a", static=False)])
