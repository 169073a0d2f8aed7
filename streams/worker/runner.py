"""One batch from Faust's stream to its acknowledgement: run its stage, publish the outputs, wait for their deliveries.

The model thread owns states and catalog; threads of its own call the encoder, never the event loop; the
sink's thread collects delivery reports. A batch is acknowledged only once every record that it caused is
durable, and a failure ends the process: what was not acknowledged is read again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from sinks.base import Delivery
from streams.kafka.member.batches import RecordBatch
from streams.ops.backoff import StoppedError
from streams.worker.publishing import Publisher
from streams.worker.stages.outputs import Outputs, Pending, Stage
from streams.worker.stages.update import Update
from streams.worker.threads import EncoderThreads, ModelThread


class Runner:
    """Runs the stages of one worker; knows how many batches may be under way."""

    def __init__(
        self,
        model: ModelThread,
        encoder: EncoderThreads,
        publisher: Publisher,
        batches_in_flight: int,
        fail: Callable[[BaseException], None],
    ) -> None:
        """batches_in_flight: per partition. fail: ends the process; called with what could not be handled."""
        self.model, self.encoder, self.publisher, self._fail = model, encoder, publisher, fail
        self._slots: dict[tuple[str, int], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(batches_in_flight)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._applying = asyncio.Lock()
        self.catalog_ready = asyncio.Event()
        self.last_activity = time.monotonic()

    def read(self, app: Any, stage: Stage, topics: Sequence[str]) -> None:
        """Give the Faust app an agent: it takes each batch of these topics, and runs the stage on it."""

        @app.agent(app.topic(*topics), name=stage.name)  # type: ignore[untyped-decorator]  # Faust ships no types
        async def agent(stream: Any) -> None:
            # `noack`: a batch is acknowledged when its deliveries are, not before.
            async for event in stream.noack().events():
                await self.run(stage, event)

    async def run(self, stage: Stage, event: Any) -> None:
        """Run a Faust event's batch through a stage, and acknowledge it in the background once all is delivered."""
        if stage.needs_catalog:
            await self.catalog_ready.wait()
        batch: RecordBatch = event.value
        slot = self._slots[batch.topic, batch.partition]
        await slot.acquire()
        if not batch.start():
            slot.release()
            return
        self._under_way += 1
        self.touch()
        try:
            delivery = await self.work(stage, batch)
        except StoppedError:
            batch.abandon()
            slot.release()
            self._under_way -= 1
            return
        except BaseException as error:
            self._fail(error)
            raise
        self._spawn(self._acknowledge(stage, event, delivery, slot))

    async def work(self, stage: Stage, batch: RecordBatch) -> Delivery:
        """Run the stage, and publish what it makes of the batch."""
        return await self._complete(stage.name, stage.start, batch)

    async def delivered(self, stage: Stage, batch: RecordBatch, delivery: Delivery) -> None:
        """Wait until all that the batch caused is durable. Raises SinkError."""
        await asyncio.wrap_future(delivery)

    async def apply_waiting(self, update: Update) -> None:
        """Apply the events whose item has become known: it was learnt, or the state came back from a recovery."""
        async with self._applying:
            for partition, decoded in (await self.model.run(update.flow.ready_events)).items():
                self.touch()
                await asyncio.wrap_future(await self._complete(update.name, update.apply, partition, decoded))

    def touch(self) -> None:
        """Something is done just now."""
        self.last_activity = time.monotonic()

    @property
    def busy(self) -> bool:
        """True while a batch is worked on or waits for its deliveries."""
        return self._under_way > 0 or self._applying.locked()

    def close(self) -> None:
        """Stop the threads."""
        self.model.close()
        self.encoder.close()

    async def _complete(
        self, stage: str, step: Callable[..., Outputs | Pending], *arguments: Any
    ) -> Delivery:
        """Take a stage's step and those that follow from it; what they make is published at once, on its thread."""

        def step_and_publish(step: Callable[..., Outputs | Pending], *arguments: Any) -> Delivery | Pending:
            made = step(*arguments)
            return made if isinstance(made, Pending) else self.publisher.publish(stage, made)

        made = await self.model.run(step_and_publish, step, *arguments)
        while isinstance(made, Pending):
            vectors = await self.encoder.run(made.encode)
            made = await self.model.run(step_and_publish, made.resume, vectors)
        return made

    async def _acknowledge(
        self, stage: Stage, event: Any, delivery: Delivery, slot: asyncio.Semaphore
    ) -> None:
        await self.delivered(stage, event.value, delivery)
        event.ack()
        slot.release()
        self._under_way -= 1
        self.touch()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; a failure there ends the process."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception() or RuntimeError("unknown"))
