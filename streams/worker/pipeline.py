"""One batch from the agent to its ack: which thread does what, and how many may be under way.

The model thread owns states and catalogue; threads of its own call the encoder, never the event loop; the
sink's thread collects delivery reports. A batch is acknowledged only once every record that it caused is
durable, and a failure ends the process: what was not acknowledged is read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from encoders.core.base import Encoder
from sinks.base import Group, Sink
from streams.catalog.cataloguer import Cataloguer
from streams.events.adapters.base import Adapter
from streams.flow.encoding import Scoring, encode_texts
from streams.flow.flow import Decoded, Flow
from streams.flow.future import Future
from streams.interest.base import Floats
from streams.kafka.batches import RecordBatch
from streams.ops.backoff import Backoff, StoppedError
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.state import removed
from streams.worker.publishing import Publisher
from streams.worker.stages.ingest import Ingester
from streams.worker.threads import EncoderThreads

T = TypeVar("T")
log = logging.getLogger(__name__)


class Pipeline:
    """The worker's moving parts, wired by app.py and driven by the agents."""

    def __init__(
        self,
        settings: Settings,
        flow: Flow,
        encoder: Encoder,
        sink: Sink,
        adapters: dict[str, Adapter],
        metrics: Metrics,
        fail: Callable[[BaseException], None],
        backoff: Backoff | None = None,
        scoring: Scoring | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """adapters: by source topic. fail: ends the process; called with what could not be handled.

        backoff: how an encoder that fails is asked again; the settings' by default. scoring: tells the
        texts' sentiment, on the encoder's thread. clock: seconds since the epoch, by which an event can be from the
        future.
        """
        self.settings, self.flow, self.encoder = settings, flow, encoder
        self.scoring = scoring
        self.future = Future(clock, settings.future_tolerance_s)
        self.publisher = Publisher(settings, flow, sink, metrics)
        self.ingester = Ingester(
            settings.events_topic, adapters, flow.options.limits, self.publisher, metrics, self.future
        )
        self.metrics, self._fail = metrics, fail
        self.backoff = backoff or Backoff(metrics, Health(), settings.retry_deadline_s)
        self.cataloguer = Cataloguer(flow.catalog, encoder, flow.options.limits)
        metrics.watch(encoder)
        if scoring is not None:
            metrics.watch(scoring.sentiment)
        metrics.watch_users(flow.partitions)
        forgiven = {topic: adapter.forgiven.counts for topic, adapter in adapters.items()}
        forgiven[settings.topic_items] = self.cataloguer.forgiven.counts
        forgiven[settings.events_topic] = flow.forgiven.counts
        metrics.watch_told(forgiven, flow.weighing.unknown.counts)
        self._no_texts: Floats = np.zeros((0, encoder.dim), dtype=np.float32)
        self._model = ThreadPoolExecutor(1, "model")
        self._encoder = EncoderThreads(encoder, metrics, self.backoff)
        self._room: dict[tuple[str, int], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.batches_in_flight)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._releasing = asyncio.Lock()
        self.catalog_ready = asyncio.Event()
        self.last_activity = time.monotonic()

    # --- the agents' verbs ---------------------------------------------------------------------------

    async def ingest(self, event: Any) -> None:
        """Source records -> canonical events, or rejected with the reason."""
        await self._handle("ingest", event, self._ingest)

    async def update(self, event: Any) -> None:
        """Canonical events -> states, changelog, interest vectors."""
        await self.catalog_ready.wait()
        await self._handle("update", event, self._update)

    async def catalogue(self, event: Any) -> None:
        """Items -> embeddings."""
        await self._handle("catalog", event, self._catalogue)

    async def _handle(self, stage: str, event: Any, step: Callable[[RecordBatch], Awaitable[Any]]) -> None:
        """Run a batch's step, then wait for its deliveries in the background and acknowledge it."""
        batch: RecordBatch = event.value
        room = self._room[batch.topic, batch.partition]
        await room.acquire()
        if not batch.start():
            room.release()
            return
        self._under_way += 1
        self.last_activity = time.monotonic()
        try:
            with self.metrics.observe(stage):
                delivered = await step(batch)
            self.metrics.batch_events.labels(stage).observe(len(batch.records))
        except StoppedError:
            batch.abandon()
            room.release()
            self._under_way -= 1
            return
        except BaseException as error:
            self._fail(error)
            raise
        self.spawn(self._acknowledge(stage, event, delivered, room))

    async def _acknowledge(self, stage: str, event: Any, delivered: Any, room: asyncio.Semaphore) -> None:
        with self.metrics.observe(f"{stage}.publish"):
            await asyncio.wrap_future(delivered)
        if stage == "update":
            self._observe_latency(event.value)
        event.ack()
        room.release()
        self._under_way -= 1
        self.last_activity = time.monotonic()

    # --- the steps; each returns the future of its deliveries -----------------------------------------

    async def _ingest(self, batch: RecordBatch) -> Any:
        return await self.on_model(self.ingester.ingest, batch)

    async def _update(self, batch: RecordBatch) -> Any:
        decoded, delivered = await self.on_model(self._decode_now, batch)
        while delivered is None:
            texts = await self._encode(decoded)
            delivered = await self.on_model(self._update_told, batch.partition, decoded, texts)
        return delivered

    def _update_told(self, partition: int, decoded: Decoded, texts: Floats) -> Any:
        """Fold, or None where items were learnt meanwhile of which something is to be encoded first."""
        return None if self.flow.tell(decoded) else self.update_now(partition, decoded, texts)

    def _decode_now(self, batch: RecordBatch) -> tuple[Decoded, Any]:
        """The batch's events and, where no text has to be encoded first, the future of their deliveries."""
        if batch.removed is not None:
            removed.book(self.flow.partitions[batch.partition], batch.removed[1])
        decoded = self.flow.decode(batch.records)
        self.future.refuse(decoded)
        if decoded.texts():
            return decoded, None
        return decoded, self.update_now(batch.partition, decoded, self._no_texts)

    def update_now(self, partition: int, decoded: Decoded, texts: Floats) -> Any:
        """Fold and publish; on the model thread."""
        with self.metrics.observe("update.fold"):
            updated = self.flow.update(partition, decoded, texts)
        self.publisher.keep_isolated(updated)
        self.metrics.book(updated.outcomes)
        part = self.flow.partitions[partition]
        self.metrics.waiting.labels(str(partition)).set(part.waiting.count)
        # Read again after a recovery, a batch ends before the watermark and vouches for no more than itself.
        resume = min(part.watermark, decoded.last_offset)
        rejected = self.publisher.rejected("update", decoded.rejected)
        delivered = self.publisher.hand_over(part, updated, rejected, resume)
        if decoded.events:
            newest = max(event.timestamp for event in decoded.events)
            delivered.add_done_callback(lambda _: self._observe_lag(newest))
        return delivered

    async def _catalogue(self, batch: RecordBatch) -> Any:
        changes = await self.on_model(self.cataloguer.changes, batch.records)
        encode = self.cataloguer.encode
        vectors = await self._encoder.run(encode, changes, self.encoder) if changes.items else None
        self.metrics.book_items(changes.outcomes())
        for failure in changes.media_failed:
            self.metrics.media_failed.labels(failure.medium, failure.reason).inc()
        records = self.cataloguer.records(changes, vectors)
        embeddings = Group(self.settings.topic_embeddings, records, headers=changes.headers())
        return self.publisher.publish([embeddings, *self.publisher.rejected("catalog", changes.rejected)])

    # --- what arrives beside the batches ----------------------------------------------------------------

    async def learn(self, messages: Sequence[Any]) -> None:
        """Embedding records -> catalogue; events that waited for one of these items are applied."""
        await self.on_model(self._learn_now, messages)
        await self.apply_waiting()

    async def apply_waiting(self) -> None:
        """Apply the events whose item has become known: it was learnt, or the state came back from a recovery."""
        async with self._releasing:
            for partition, decoded in (await self.on_model(self.flow.released)).items():
                self.last_activity = time.monotonic()
                texts = await self._encode(decoded)
                await asyncio.wrap_future(
                    await self.on_model(self._apply_released, partition, decoded, texts)
                )

    def _apply_released(self, partition: int, decoded: Decoded, texts: Floats) -> Any:
        # A rebalance may have come in between; then its new owner applies them.
        still_here = self.flow.still_waiting(partition, decoded)
        return self.update_now(partition, decoded, texts) if still_here else self.publisher.publish([])

    def _learn_now(self, messages: Sequence[Any]) -> None:
        self.cataloguer.learn(messages)
        self.metrics.catalog.labels("shown").set(int(self.flow.catalog.live.sum()))
        self.metrics.catalog.labels("hidden").set(len(self.flow.catalog) - int(self.flow.catalog.live.sum()))

    # --- threads and tasks ------------------------------------------------------------------------------

    async def on_model(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run on the thread that owns states and catalogue."""
        return await asyncio.get_running_loop().run_in_executor(self._model, function, *arguments)

    async def _encode(self, decoded: Decoded) -> Floats:
        if not decoded.texts():
            return self._no_texts
        return await self._encoder.run(encode_texts, self.encoder, decoded, self.scoring)

    def spawn(self, work: Any) -> None:
        """Run in the background; a failure there ends the process."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception() or RuntimeError("unknown"))

    @property
    def busy(self) -> bool:
        """True while a batch is worked on or waits for its deliveries."""
        return self._under_way > 0 or self._releasing.locked()

    def close(self) -> None:
        """Stop the threads."""
        self._model.shutdown(wait=True)
        self._encoder.close()

    def _observe_latency(self, batch: RecordBatch) -> None:
        now = time.time()
        self.metrics.latency.observe(max(0.0, now - batch.records[0].timestamp / 1000))

    def _observe_lag(self, newest: int) -> None:
        self.metrics.event_lag.observe(max(0.0, time.time() - newest / 1000))
