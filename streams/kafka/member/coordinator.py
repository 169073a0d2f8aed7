"""aiokafka's member of the consumer group, which keeps what its coordinator refuses for good.

aiokafka logs such an answer and then stands still until somebody calls its consumer in a way that Faust never does.
Private names of aiokafka 0.14 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError as AIOKafkaError
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import KafkaError
from faust.types import TP

from streams.kafka.member import own_aiokafka
from streams.kafka.topics.committed import to_metadata
from streams.ops.kafka_errors import GROUP_ADVICE, LOGIN_ADVICE, RIGHTS_ADVICE, GroupError, by_code, sentence

FINAL_CODES = frozenset({*GROUP_ADVICE, *RIGHTS_ADVICE, *LOGIN_ADVICE})
# Between attempts to join after an answer that may be another one next time.
PAUSE_S = 0.5
# So long without a failure, and the next one begins a new row.
QUIET_S = 60.0


class FrankCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka ships no types
    """Goes on joining after what may pass, and keeps what does not; notes with an offset of which topic it is."""

    # Id by topic, as far as known; set from outside.
    topic_ids: Mapping[str, str] = MappingProxyType({})

    def __init__(self, *args: Any, **options: Any) -> None:
        self.refusal: KafkaError | None = None
        # First and last failure (monotonic seconds) of a row of them, and the last one's error.
        self.failing: tuple[float, float, Exception] | None = None
        super().__init__(*args, **options)

    async def _send_req(self, request: Any) -> Any:
        response = await super()._send_req(request)
        # aiokafka does not know all of Kafka's codes, and hides others in a text.
        self._keep(getattr(response, "error_code", 0))
        return response

    async def commit_offsets(self, assignment: Any, offsets: Mapping[TP, Any]) -> None:
        """As aiokafka's, with the topics' ids: a name may be another topic's by the time that the offset is read."""
        ids = self.topic_ids
        named = {
            tp: OffsetAndMetadata(one.offset, to_metadata(ids.get(tp.topic, "")))
            for tp, one in offsets.items()
        }
        await super().commit_offsets(assignment, named)

    async def ensure_active_group(self, *args: Any) -> Any:
        """As aiokafka's; what was failing fails no more once it has an assignment."""
        assignment = await super().ensure_active_group(*args)
        if assignment is not None:
            self.failing = None
        return assignment

    def _push_error_to_user(self, exc: Any) -> Any:
        self._keep(getattr(exc, "errno", 0))
        now = time.monotonic()
        first, last, _ = self.failing or (now, now, exc)
        self.failing = (first if now - last < QUIET_S else now), now, exc
        # Without a heartbeat it has lost its place, or will.
        if self._heartbeat_task is not None and self._heartbeat_task.done():
            self.request_rejoin()
        # The user that aiokafka would wait for never comes.
        return asyncio.wait([self._closing], timeout=PAUSE_S)

    def _keep(self, code: int) -> None:
        if code in FINAL_CODES and self.refusal is None:
            self.refusal = by_code(code)


def check(faust_consumer: Any, group: str, patience_s: float) -> None:
    """Raise GroupError where the group cannot be joined, or has not been for so many seconds, each attempt failing.

    Called from another thread than the coordinator's: it only looks.
    """
    consumer = getattr(getattr(faust_consumer, "_thread", None), "_consumer", None)
    found = getattr(consumer, "_coordinator", None)
    if not isinstance(found, FrankCoordinator):
        return
    if found.refusal is not None:
        raise GroupError(sentence(found.refusal, f"consumer group {group}"))
    task = found._coordination_task
    ended = task.exception() if task.done() and not task.cancelled() else None
    if ended is not None:
        raise GroupError(
            f"consumer group {group}: aiokafka's coordination ended ({ended}): restart the worker"
        )
    failing = found.failing
    if failing is not None and failing[1] - failing[0] > patience_s:
        raise GroupError(
            f"consumer group {group} could not be joined for {patience_s:g} s (INTERESTFLOW_RETRY_DEADLINE_S): "
            f"{failing[2]}; look at the brokers' logs"
        )


def plain(error: BaseException | None) -> BaseException | None:
    """What crashed the stream, as a sentence where it is one of Kafka's refusals in aiokafka's words."""
    code = getattr(error, "errno", None)
    if not isinstance(error, AIOKafkaError) or code is None or code not in FINAL_CODES:
        return error
    # aiokafka gives the group, one topic, or a set of topics.
    named = ", ".join(", ".join(sorted(one)) if isinstance(one, Set) else str(one) for one in error.args)
    what = "consumer group" if code == KafkaError.GROUP_AUTHORIZATION_FAILED else "reading"
    return GroupError(sentence(by_code(code), f"{what} {named}".strip()))


def register() -> None:
    """Make aiokafka use it, which has no setting for it."""
    own_aiokafka.consumer.GroupCoordinator = FrankCoordinator
