"""Questions to the brokers, asked again while they are away; and a look, every so often, whether they are there.

What each client does by itself while they are away: librdkafka reconnects for ever, and the sink ends where a
record is not delivered by its deadline; aiokafka's consumer reconnects for ever, but not before it has met a broker
once. The look is what bounds both, and tells of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.clients import make
from streams.kafka.reading import is_away
from streams.ops.backoff import Backoff
from streams.ops.daemon_calls import call_on_daemon_thread
from streams.ops.kafka_errors import UNREACHED
from streams.ops.log_lines import CONNECTIONS, without_log

T = TypeVar("T")
STAGE = "kafka"
ADVICE = f"start the brokers, or {UNREACHED}"
LOOK_EVERY_S = 5.0
ANSWER_WITHIN_S = 5.0
# Beyond the deadline of the look, so that it is the one that speaks.
DELIVERY_SLACK_S = 60.0


class Brokers:
    """What one worker asks of its brokers outside the stream."""

    def __init__(self, kafka: Mapping[str, Any], backoff: Backoff) -> None:
        """kafka: librdkafka properties (servers, security)."""
        self.kafka, self.backoff = kafka, backoff
        # One for all questions: ending a client may take librdkafka a second.
        self.admin = make(AdminClient, without_log(kafka), tended=True)

    async def ask(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """What the function returns, in a thread, once the brokers answer. Raises GaveUpError, StoppedError."""
        attempt = partial(self._attempt, partial(function, *arguments, **options))
        return await call_on_daemon_thread(self.backoff.call, STAGE, attempt, is_away, ADVICE)

    def _attempt(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except Exception as error:
            if is_away(error):
                # Else the client goes on asking the broker that it was told to ask, though that one alone has gone.
                with contextlib.suppress(KafkaException):
                    self.admin.list_topics(timeout=ANSWER_WITHIN_S)
            raise

    async def watch(self, look: Callable[[AdminClient], None]) -> None:
        """For ever, until they are away for too long, or `look` raises: raises GaveUpError, or that."""
        while True:
            await self.ask(look, self.admin)
            CONNECTIONS.settle()
            await asyncio.sleep(LOOK_EVERY_S)


def delivery_deadline(retry_deadline_s: float) -> float:
    """Seconds that a record may be on its way (see sinks.kafka)."""
    return retry_deadline_s + DELIVERY_SLACK_S
