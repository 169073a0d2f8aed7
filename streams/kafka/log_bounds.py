"""Where partitions begin and end. These are positions and never counts of records."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Partition = tuple[str, int]
TIMEOUT_S = 30.0

# Errors of a broker or a connection that is away for a while; librdkafka reconnects by itself.
AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._WAIT_COORD,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
    }
)
# So a broker that has only just come back answers for a partition that it has not loaded yet.
UNLOADED = frozenset({KafkaError._UNKNOWN_PARTITION})
# How long news of a topic may take from one broker to the next.
SPREAD_WITHIN_S = 3.0
# How long a leader is waited for before the cluster is asked who leads now: a failover takes about as long.
LEADER_WITHIN_S = 5.0
LEADER_PAUSE_S = 0.2


def log_starts(admin: AdminClient, partitions: Collection[Partition]) -> dict[Partition, int]:
    """First offset of each partition, now. Raises KafkaException."""
    return _offsets(admin, partitions, OffsetSpec.earliest())


def log_ends(admin: AdminClient, partitions: Collection[Partition]) -> dict[Partition, int]:
    """Offset behind each partition's last record, now, transactions that are open included. Raises KafkaException.

    A worker of before there was one isolation level may have read that far.
    """
    return _offsets(admin, partitions, OffsetSpec.latest())


def _offsets(admin: AdminClient, partitions: Collection[Partition], spec: OffsetSpec) -> dict[Partition, int]:
    asked = {TopicPartition(topic, number): spec for topic, number in sorted(partitions)}
    answers = admin.list_offsets(
        asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=TIMEOUT_S
    )
    return {(one.topic, one.partition): answer.result(TIMEOUT_S).offset for one, answer in answers.items()}


def bounds_now(client: Any, partition: TopicPartition, timeout_s: float = 30.0) -> tuple[int, int]:
    """First offset and end offset of a partition, now; where its leader has gone, those of the next one.

    Raises KafkaException, where no leader answers after about `timeout_s`, or no broker knows the partition.
    """
    begun = time.monotonic()
    while True:
        try:
            bounds: tuple[int, int] = client.get_watermark_offsets(
                partition, timeout=min(timeout_s, LEADER_WITHIN_S)
            )
        except KafkaException as error:
            if (code := error.args[0].code()) not in AWAY | UNLOADED:
                raise
            _ask_who_leads(client, partition.topic)
            # A partition that was not loaded may not exist. Of a new one, a broker may hear later than the others.
            patience = min(timeout_s, SPREAD_WITHIN_S) if code in UNLOADED else timeout_s
            if time.monotonic() > begun + patience:
                raise
            time.sleep(LEADER_PAUSE_S)
        else:
            return bounds


def _ask_who_leads(client: Any, topic: str) -> None:
    """Else the client goes on for minutes with what it was told before: of a topic that was not loaded, or by a leader
    that was killed.
    """
    with contextlib.suppress(KafkaException):
        client.list_topics(topic, timeout=LEADER_WITHIN_S)
