"""Points of a worker that tells what it has learned of two-tower vectors, and adds up what all have told.

And mutants of it, which show that the trials at these points can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np

from sinks.base import TopicRecords
from streams.catalog.learned_towers import TOWERS_KEY
from streams.flow.learning.tower_records import SPACE
from streams.settings.sections.topics import TopicSettings
from streams.state.items import partition
from streams.state.items.partition import ItemPartition
from streams.state.store import NO_OFFSET
from streams.worker.worker import Worker
from tests.faults.passages import ACK_DEADLINE_S, Passages, die

Publish = Callable[[Sequence[TopicRecords]], Future[Sequence[int]]]
# What a worker has told is on the broker, and it has committed nothing of what it learned that from. Or it is there
# twice: so does a producer that has no answer and that the broker has forgotten (see `sinks.kafka`).
AFTER_TOLD, TOLD_TWICE = "after told", "told twice"
# What a worker has added up is nowhere; or in the rows, but not in the record that says how far they go; or in both,
# and no other worker is shown it.
BEFORE_ROWS, BEFORE_PROGRESS, BEFORE_SHOWN = (
    "before item rows",
    "between item rows and progress",
    "between item progress and what is shown",
)
POINTS = (AFTER_TOLD, TOLD_TWICE, BEFORE_ROWS, BEFORE_PROGRESS, BEFORE_SHOWN)


def arm(worker: Worker, point: str, passages: Passages) -> None:
    """Let the worker die at the last of its passages of the point."""
    sink, topics = worker.publisher.sink, worker.settings.topics
    publish: Publish = sink.publish
    told: list[TopicRecords] = []

    def wrapped(groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        told.extend(group for group in groups if _tells(group, topics))
        if point in (AFTER_TOLD, TOLD_TWICE):
            due = any(_tells(group, topics) for group in groups)
        else:
            due = any(_shows(group, topics) for group in groups)
        if due and passages.last():
            _do(publish, point, groups, told)
            die()
        return publish(groups)

    sink.publish = wrapped  # type: ignore[method-assign]


def _do(publish: Publish, point: str, groups: Sequence[TopicRecords], told: Sequence[TopicRecords]) -> None:
    """What it still does there. told: groups since the point was armed, with those of now."""
    if point in (AFTER_TOLD, TOLD_TWICE):
        publish(groups).result(ACK_DEADLINE_S)
        if point == TOLD_TWICE:
            publish(told).result(ACK_DEADLINE_S)
        return
    rows = groups[0]
    if point == BEFORE_PROGRESS:
        publish([replace(rows, records=rows.records[:-1])]).result(ACK_DEADLINE_S)
    elif point == BEFORE_SHOWN:
        publish([rows]).result(ACK_DEADLINE_S)


def _tells(group: TopicRecords, topics: TopicSettings) -> bool:
    return group.topic == topics.item_signals and any(SPACE in dict(own) for own in group.headers or ())


def _shows(group: TopicRecords, topics: TopicSettings) -> bool:
    """Whether sums of vectors are shown: with them go the rows that hold them, in the first group."""
    return group.topic == topics.learned and any(
        (key or b"").startswith(TOWERS_KEY) for key, _ in group.records
    )


def _unchecked() -> None:
    partition.take_told = lambda *_: True


def _forgetful() -> None:
    def offsets(_: Any, rows: Any) -> Any:
        return np.full(len(rows), NO_OFFSET)

    ItemPartition.offsets = offsets  # type: ignore[method-assign]


UNCHECKED, FORGETFUL = "what is told is not checked", "rows forget what they took in"
MUTANTS: dict[str, Callable[[], None]] = {UNCHECKED: _unchecked, FORGETFUL: _forgetful}
