"""When recommendations are made: at most one per user and interval, and none forgotten.

A user touched by a batch becomes due. The scheduler takes the due users whose last recommendation is older
than the interval, some at a time so that updates go on in between. What is due but unpublished at a crash is
found again in the state: the changelog's watermark says up to which offset recommendations are out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import numpy as np

from streams.flow.flow import KeyValues, Updated
from streams.worker.pipeline import Pipeline

# Users per call: enough for the matrix product to be efficient, few enough not to delay updates.
CHUNK = 64


class Scheduler:
    """Publishes what is due."""

    def __init__(self, pipeline: Pipeline, interval_s: float, clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self.pipeline, self.interval, self.clock = pipeline, interval_s, clock
        self._last: dict[tuple[int, str], float] = {}
        self._forget_at = 0.0

    async def run(self) -> None:
        """For ever."""
        pause = min(max(self.interval / 10, 0.01), 0.25)
        while True:
            if not await self.step():
                await asyncio.sleep(pause)

    @property
    def idle(self) -> bool:
        """True where nobody is due."""
        return not any(part.due or part.publishing for part in list(self.pipeline.flow.partitions.values()))

    async def step(self) -> bool:
        """Recommend for some of the due users; false where there was nothing to do."""
        done = False
        for partition in list(self.pipeline.flow.partitions):
            count = await self._partition(partition)
            done = done or count > 0
        return done

    async def _partition(self, partition: int) -> int:
        pipeline = self.pipeline
        with pipeline.metrics.observe("recommend"):
            rows, records = await pipeline.on_model(self._recommend_now, partition)
        if rows:
            await asyncio.wrap_future(pipeline.publisher.recommended(records))
        await pipeline.on_model(self._settle, partition, rows)
        return len(rows)

    def _recommend_now(self, partition: int) -> tuple[list[int], KeyValues]:
        part = self.pipeline.flow.partitions.get(partition)
        if part is None or not part.due:
            return [], []
        now, last = self.clock(), self._last
        rows = []
        for row in part.due:
            if now - last.get((partition, part.users[row]), -self.interval) >= self.interval:
                rows.append(row)
                if len(rows) == CHUNK:
                    break
        if not rows:
            return [], []
        self._forget(now)
        for row in rows:
            part.publishing[row] = part.due.pop(row)
            last[partition, part.users[row]] = now
        return rows, self.pipeline.flow.recommend(partition, np.array(rows, dtype=np.int64))

    def _settle(self, partition: int, rows: list[int]) -> None:
        """Delivered: nothing of these users is outstanding. When all is quiet, the changelog learns it."""
        part = self.pipeline.flow.partitions.get(partition)
        if part is None:
            return
        for row in rows:
            part.publishing.pop(row, None)
        part.trim()
        if not part.due and not part.publishing and not part.all_told:
            nobody = Updated([], [], Counter(), np.zeros(0, dtype=np.int64))
            self.pipeline.publisher.hand_over(part, nobody)

    def _forget(self, now: float) -> None:
        """Drop the times that can no longer hold anyone back."""
        if now >= self._forget_at:
            self._forget_at = now + 10 * max(self.interval, 1.0)
            self._last = {key: at for key, at in self._last.items() if now - at < self.interval}
