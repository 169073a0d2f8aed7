"""Questions to the brokers, asked again while they are away; and a look, every so often, whether they are there.

What each client does by itself while they are away: librdkafka reconnects for ever, and the sink ends where a
record is not delivered by its deadline; aiokafka's consumer reconnects for ever, but not before it has met a broker
once. The look is what bounds both, and tells of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from confluent_kafka.admin import AdminClient

from streams.apart import apart
from streams.backoff import Backoff
from streams.log_lines import untold
from streams.reading import is_away

T = TypeVar("T")
STAGE = "kafka"
ADVICE = "start the brokers, or correct INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS"
LOOK_EVERY_S = 5.0
ANSWER_WITHIN_S = 10.0
# Beyond the deadline of the look, so that it is the one that speaks.
DELIVERY_SLACK_S = 60.0


class Brokers:
    """What one worker asks of its brokers outside the stream."""

    def __init__(self, kafka: Mapping[str, Any], backoff: Backoff) -> None:
        """kafka: librdkafka properties (servers, security)."""
        self.kafka, self.backoff = kafka, backoff
        # One for all questions: ending a client may take librdkafka a second.
        self.admin = AdminClient(untold(kafka))

    async def ask(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """What the function returns, in a thread, once the brokers answer. Raises GaveUpError, StoppedError."""
        attempt = partial(function, *arguments, **options)
        return await apart(self.backoff.call, STAGE, attempt, is_away, ADVICE)

    async def watch(self, topic: str) -> None:
        """For ever, until they are away for too long: raises GaveUpError."""
        while True:
            await self.ask(self.admin.list_topics, topic, timeout=ANSWER_WITHIN_S)
            await asyncio.sleep(LOOK_EVERY_S)


def delivery_deadline(retry_deadline_s: float) -> float:
    """Seconds that a record may be on its way (see sinks.kafka)."""
    return retry_deadline_s + DELIVERY_SLACK_S
