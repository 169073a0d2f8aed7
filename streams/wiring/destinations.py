"""Builds where a worker's records go: the log of Kafka, and the destinations that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sinks.base import Destination, Log
from sinks.kafka import KafkaLog
from sinks.routed import RoutedLog
from streams.flow.outputs import ORDER
from streams.kafka.brokers import delivery_deadline
from streams.settings.registries import SINKS
from streams.settings.settings import Settings


def build_log(settings: Settings, kafka: Mapping[str, Any]) -> Log:
    """The log that a worker publishes to. kafka: librdkafka properties. Raises RegistryError."""
    return route(settings, KafkaLog(kafka, delivery_deadline(settings.worker.retry_deadline_s)))


def route(settings: Settings, log: Log) -> Log:
    """The log, with the destinations of the settings for vectors and recommendations. Raises RegistryError."""
    names = dict.fromkeys(settings.output.destinations)
    if names.keys() == {"kafka"}:
        # The topics are the log's own: what goes there needs no second call.
        return log
    destinations: list[Destination] = [SINKS.build(name, settings, log) for name in names]
    tables = (settings.topics.vectors, settings.topics.recommendations)
    return RoutedLog(log, destinations, tables, version_of)


def version_of(value: bytes) -> tuple[int, ...]:
    """The version of a vector's or recommendation's record."""
    record = orjson.loads(value)
    return tuple(record[name] for name in ORDER)
