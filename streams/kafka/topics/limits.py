"""The largest record that each topic takes (`max.message.bytes`), as read at the start; and records cut to fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from sinks.base import TopicRecords
from sinks.properties import BATCH_BYTES
from streams.events.rejections import Reason, Rejected
from streams.kafka.topics.admin import TopicError, wrong_setting
from streams.kafka.topics.record_bounds import BATCH_BYTES as AROUND_BATCH
from streams.kafka.topics.record_bounds import KAFKA_DEFAULT, ORIGIN_BYTES, RECORD_BYTES, Needs, record_bytes
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

SETTING = "max.message.bytes"
ASK_S = 30.0
STAGE = "ingest.publish"
DENIED = frozenset((KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED))


@dataclass(frozen=True, slots=True)
class Rooms:
    """Bytes of the largest record that these topics take; longer records are cut to fit."""

    events: int = KAFKA_DEFAULT
    rejected: int = KAFKA_DEFAULT
    recommendations: int = KAFKA_DEFAULT


def look(admin: AdminClient, settings: Settings) -> Rooms:
    """Ask the brokers. Raises TopicError where a topic takes less than records need that cannot be cut.

    Where the right to ask is denied, fitted records keep to Kafka's default, and a warning says so.
    """
    needs = Needs.of(settings)
    topics = settings.topics
    strict = {topics.state: needs.state, topics.vectors: needs.vectors, topics.embeddings: needs.embeddings}
    if settings.recommendations.learn_items:
        strict |= dict.fromkeys((topics.learned, topics.item_signals, topics.items_state), KAFKA_DEFAULT)
    fitted = {
        topics.events: needs.events,
        topics.rejected: needs.rejected,
        topics.recommendations: needs.recommendations,
    }
    found = _asked(admin, [*strict, *fitted])
    for topic, needed in {**strict, **fitted}.items():
        # Records are cut to fit, but several of them share a batch of up to this size.
        if topic in found and found[topic] < (needed if topic in strict else BATCH_BYTES):
            raise TopicError(_too_small(topic, found[topic], needed, settings))
    return Rooms(*(found.get(topic, KAFKA_DEFAULT) for topic in fitted))


def _asked(admin: AdminClient, topics: Sequence[str]) -> Mapping[str, int]:
    """Bytes that each topic takes, without topics that are missing or may not be described."""
    found, denied = {}, []
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    for resource, future in admin.describe_configs(resources, request_timeout=ASK_S).items():
        try:
            found[resource.name] = int(future.result(ASK_S)[SETTING].value)
        except KafkaException as error:
            if error.args[0].code() in DENIED:
                denied.append(resource.name)
            elif error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    if denied:
        log.warning(
            "the right DescribeConfigs is denied on %s: %s is taken for %d there; grant it, or see to it that "
            "`interestflow topics check` finds nothing",
            ", ".join(denied),
            SETTING,
            KAFKA_DEFAULT,
        )
    return found


def _too_small(topic: str, takes: int, needed: int, settings: Settings) -> str:
    smaller = " or lower INTERESTFLOW_WAITING_BYTES_PER_USER" if topic == settings.topics.state else ""
    return wrong_setting(topic, SETTING, str(takes), str(needed), settings.kafka) + smaller


def fitting(canonical: TopicRecords, room: int) -> tuple[TopicRecords, list[tuple[int, Rejected]]]:
    """The canonical records that their topic takes, and the rejections of the others by their index.

    canonical: with headers.
    """
    headers = canonical.headers or [()] * len(canonical.records)
    # Nearly all batches are far from the bound, which one comparison shows.
    longest = max((len(key or b"") + len(value or b"") for key, value in canonical.records), default=0)
    if longest + ORIGIN_BYTES + AROUND_BATCH + RECORD_BYTES <= room:
        return canonical, []
    sizes = [record_bytes(*record, own) for record, own in zip(canonical.records, headers, strict=True)]
    kept = [index for index, size in enumerate(sizes) if size <= room]
    refused = [(index, size) for index, size in enumerate(sizes) if size > room]
    reason = (
        f"bytes as canonical record, but {canonical.topic} takes {room}: raise its {SETTING}, or send less"
    )
    return (
        TopicRecords(
            canonical.topic,
            [canonical.records[i] for i in kept],
            canonical.partition,
            [headers[i] for i in kept],
        ),
        [(index, Rejected(Reason.TOO_LARGE, f"{size} {reason}", STAGE)) for index, size in refused],
    )


def fitting_recommendation(record: tuple[bytes, bytes], room: int) -> tuple[bytes, bytes]:
    """The record with as many of its best items as fit."""
    key, value = record
    if record_bytes(key, value) <= room:
        return record
    fields: dict[str, Any] = orjson.loads(value)
    items, least, most = fields["items"], 0, len(fields["items"])
    while least < most:
        middle = (least + most + 1) // 2
        if record_bytes(key, orjson.dumps({**fields, "items": items[:middle]})) <= room:
            least = middle
        else:
            most = middle - 1
    return key, orjson.dumps({**fields, "items": items[:least]})
