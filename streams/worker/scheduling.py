"""When recommendations are made: all the time, some users at a time, so that updates go on in between."""

from __future__ import annotations

import asyncio

from streams.worker.runner import Runner
from streams.worker.stages.outputs import Outputs
from streams.worker.stages.recommend import Recommend


class Scheduler:
    """Publishes what is due."""

    def __init__(self, stage: Recommend, runner: Runner) -> None:
        self.stage, self.runner = stage, runner

    async def run(self) -> None:
        """For ever."""
        pause = min(max(self.stage.interval / 10, 0.01), 0.25)
        while True:
            if not await self.step():
                await asyncio.sleep(pause)

    async def step(self) -> bool:
        """Recommend to some of the due users; false where there was nothing to do."""
        done = False
        for partition in list(self.stage.flow.partitions):
            count = await self._partition(partition)
            done = done or count > 0
        return done

    async def recommend(self, partition: int) -> tuple[list[int], Outputs]:
        """Rows of the users, and their recommendations; `MeasuredScheduler` times it."""
        return await self.runner.model.run(self.stage.start, partition)

    async def _partition(self, partition: int) -> int:
        rows, outputs = await self.recommend(partition)
        if rows:
            await asyncio.wrap_future(self.runner.publisher.publish(self.stage.name, outputs))
        await self.runner.model.run(self._finish, partition, rows)
        return len(rows)

    def _finish(self, partition: int, rows: list[int]) -> None:
        """On the model thread, where a state's change must be published before the next one is made."""
        outputs = self.stage.finish(partition, rows)
        if outputs is not None:
            self.runner.publisher.publish(self.stage.name, outputs)
