"""Recommendations for users who are due: at most one per user and interval, and none forgotten.

A user touched by a batch becomes due. What is due but unpublished at a crash is found again in the state: the
changelog's processed offset says up to which change recommendations are out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from sinks.base import TopicRecords
from streams.flow.flow import Flow, Updated
from streams.kafka.topics.limits import fitting_recommendation
from streams.state.users.partition import UserPartition
from streams.worker.stages.outputs import Outputs, StateChange

# Users per call: enough for the matrix product to be efficient, few enough not to delay updates.
CHUNK = 64


class Recommend:
    """Of one worker; on the model thread."""

    name = "recommend"

    def __init__(
        self,
        flow: Flow,
        topic: str,
        interval_s: float,
        clock: Callable[[], float],
        room: Callable[[], int],
    ) -> None:
        """topic: where recommendations go. clock: monotonic seconds. room: gives the bytes that the topic takes."""
        self.flow, self.interval, self.clock = flow, interval_s, clock
        self._topic, self._room = topic, room
        # When each user (partition, user id) had the last one.
        self._last: dict[tuple[int, str], float] = {}
        self._forget_at = 0.0

    @property
    def idle(self) -> bool:
        """True where nobody is due; any thread."""
        return not any(part.due or part.publishing for part in list(self.flow.partitions.values()))

    def start(self, partition: int) -> tuple[list[int], Outputs]:
        """Recommend to at most CHUNK due users of a partition.

        Returns their rows, which `finish` needs, and what is to be published; both are empty where nobody is due.
        """
        part = self.flow.partitions.get(partition)
        if part is None or not part.due:
            return [], Outputs()
        now = self.clock()
        if not (rows := self._due_rows(part, now)):
            return [], Outputs()
        self._forget(now)
        for row in rows:
            part.publishing[row] = part.due.pop(row)
            self._last[partition, part.users[row]] = now
        records = self.flow.recommend(partition, np.array(rows, dtype=np.int64))
        fitting = [fitting_recommendation(record, self._room()) for record in records]
        return rows, Outputs(groups=[TopicRecords(self._topic, fitting)])

    def finish(self, partition: int, rows: list[int]) -> Outputs | None:
        """Their recommendations are delivered. When nobody is due any more, the changelog is told so."""
        part = self.flow.partitions.get(partition)
        if part is None:
            return None
        for row in rows:
            part.publishing.pop(row, None)
        part.trim()
        if part.due or part.publishing or part.none_due_recorded:
            return None
        nobody = Updated([], [], Counter(), np.zeros(0, dtype=np.int64))
        return Outputs(change=StateChange(part, nobody))

    def _due_rows(self, part: UserPartition, now: float) -> list[int]:
        """Rows of due users whose last recommendation is older than the interval, CHUNK at most."""
        last, rows = self._last, list[int]()
        for row in part.due:
            if now - last.get((part.partition, part.users[row]), -self.interval) >= self.interval:
                rows.append(row)
                if len(rows) == CHUNK:
                    break
        return rows

    def _forget(self, now: float) -> None:
        """Drop the times that can no longer hold anyone back."""
        if now >= self._forget_at:
            self._forget_at = now + 10 * max(self.interval, 1.0)
            self._last = {key: at for key, at in self._last.items() if now - at < self.interval}
