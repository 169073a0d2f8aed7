"""A data set into the topics: its catalog first, then its events in event-time order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sinks.base import Log, TopicRecords
from sinks.kafka import KafkaLog
from streams.datasets import DATASETS, Dataset, DatasetError
from streams.kafka.clients import client_config
from streams.kafka.topics.specifications import partition_count
from streams.settings.sections.topics import TopicSettings
from streams.settings.settings import Settings, SettingsError

CHUNK = 2000
# Chunks whose deliveries may be outstanding.
AHEAD = 8


def publish(
    sink: Log,
    topics: TopicSettings,
    dataset: Dataset,
    limit: int | None = None,
    pace: Callable[[int], None] = lambda timestamp: None,
    progress: Callable[[int], None] = lambda count: None,
) -> tuple[int, int]:
    """Write items, then events; returns how many. pace: called with each event's time (ms) beforehand.

    Events are keyed by user, so that a user's events stay in order. Raises SinkError, SettingsError.
    """
    native = native_topic(topics)
    items = ((item["item_id"].encode(), orjson.dumps(item)) for item in dataset.items)
    written = _send(sink, topics.items, items, lambda count: None)
    events = _paced(islice(dataset.events, limit), pace)
    return written, _send(sink, native, events, progress)


def native_topic(topics: TopicSettings) -> str:
    """Where events go. Raises SettingsError where no source takes them."""
    native = next((source.topic for source in topics.raw_sources if source.format == "native"), None)
    if native is None:
        raise SettingsError("INTERESTFLOW_SOURCES names no topic of the native format to load events into")
    return native


def _paced(events: Iterable[dict[str, Any]], pace: Callable[[int], None]) -> Iterator[tuple[Any, bytes]]:
    for event in events:
        pace(event["timestamp"])
        user = event["user_id"]
        yield None if user is None else user.encode(), orjson.dumps(event)


def _send(sink: Log, topic: str, records: Iterator[Any], progress: Callable[[int], None]) -> int:
    outstanding: list[Future[Sequence[int]]] = []
    sent = 0
    while chunk := list(islice(records, CHUNK)):
        outstanding.append(sink.publish([TopicRecords(topic, chunk)]))
        sent += len(chunk)
        progress(len(chunk))
        if len(outstanding) > AHEAD:
            outstanding.pop(0).result()
    for future in outstanding:
        future.result()
    return sent


class Pace:
    """Waits so that event time passes `factor` times as fast as the clock."""

    def __init__(self, factor: float) -> None:
        self.factor, self._start = factor, (0, 0.0)

    def __call__(self, timestamp: int) -> None:
        """timestamp: of the event about to be sent, milliseconds."""
        if not self._start[1]:
            self._start = (timestamp, time.monotonic())
        first, started = self._start
        ahead = started + (timestamp - first) / 1000 / self.factor - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


def load(settings: Settings, name: str, path: Path, speed: str, limit: int | None) -> str:
    """Load the data set of this name, with a progress bar; returns what was written, for a person.

    speed: a factor of event time, or "max". limit: events at most. Raises DatasetError, SettingsError, SinkError.
    """
    pace = _parse_speed(speed)
    started = time.monotonic()
    dataset = DATASETS[name](path)
    # Else records for a Kafka or a topic that is not there would wait for minutes.
    for topic in (settings.topics.items, native_topic(settings.topics)):
        partition_count(settings, topic)
    sink = KafkaLog(client_config(settings))
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=min(dataset.total, limit or dataset.total))
        items, events = publish(sink, settings.topics, dataset, limit, pace, lambda n: bar.advance(task, n))
    sink.close(60)
    notes = "".join(f" {key}={value}" for key, value in dataset.notes.items())
    return f"load: events={events} items={items}{notes} seconds={time.monotonic() - started:.1f}"


def _parse_speed(speed: str) -> Callable[[int], None]:
    if speed == "max":
        return lambda timestamp: None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise DatasetError(f"--speed {speed} is neither max nor a factor above 0")
    return Pace(factor)
