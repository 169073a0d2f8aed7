"""How many partitions a topic has, asked of the brokers until they say so."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaException, Producer

ASK_S = 5.0
AGAIN_S = 0.1
# A topic that was made a moment ago may not be known to every broker.
MISSING_S = 30.0


class MissingTopicError(Exception):
    """The brokers answer, and do not know the topic."""


def count_partitions(
    producer: Producer, topic: str, over: Callable[[float], bool], now: Callable[[], float]
) -> int:
    """The number; 0 where waiting was over before. Raises MissingTopicError.

    over: waits so many seconds, at most; true where nobody needs the number any more. now: seconds of a clock.
    """
    absent = 0.0
    while not over(0.0):
        begun = now()
        try:
            found = producer.list_topics(topic, timeout=ASK_S).topics[topic]
        except KafkaException:  # the brokers are away: the sink's deadline bounds that
            over(AGAIN_S)
            continue
        if found.error is None and found.partitions:
            return len(found.partitions)
        over(AGAIN_S)
        absent += now() - begun
        if absent > MISSING_S:
            raise MissingTopicError(topic)
    return 0
