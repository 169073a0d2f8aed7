"""Moves partitions to other brokers, as `kafka-reassign-partitions.sh` does.

Neither confluent-kafka's admin client nor the jars of a broker can; aiokafka knows the request, though it has no
call for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest

TIMEOUT_MS = 30_000
# Topic -> partition -> the brokers that shall have it, the preferred leader first.
Moves = Mapping[str, Mapping[int, Sequence[int]]]


def reassign(servers: str, moves: Moves) -> None:
    """Ask for the moves; returns as soon as the controller has taken them. Fails where it refuses one."""
    asyncio.run(_reassign(servers, moves))


async def _reassign(servers: str, moves: Moves) -> None:
    topics = [
        (topic, [(number, list(brokers), {}) for number, brokers in partitions.items()], {})
        for topic, partitions in moves.items()
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        request = AlterPartitionReassignmentsRequest(TIMEOUT_MS, topics, {})
        answer = await admin._send_request(request)  # any broker passes it on to the controller
    finally:
        await admin.close()
    refused = [(topic, *rest) for topic, partitions, *_ in answer.responses for rest in partitions if rest[1]]
    assert not answer.error_code, f"not reassigned: {answer.error_message}"
    assert not refused, f"not reassigned: {refused}"
