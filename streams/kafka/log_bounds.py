"""Where partitions begin and end, asked for many at once. These are positions and never counts of records."""

from __future__ import annotations

from collections.abc import Collection

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Partition = tuple[str, int]
TIMEOUT_S = 30.0


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
