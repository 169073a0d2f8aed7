"""A worker's stages and runner around a flow, without Kafka; and the Faust event of a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sinks.memory import MemoryLog
from streams.events.adapters.base import Adapter
from streams.flow.encoding import Scoring
from streams.flow.flow import Flow
from streams.kafka.member.batches import RecordBatch
from streams.ops.backoff import Backoff
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.wiring.worker import Parts, build_parts
from streams.worker.oversight import Oversight
from streams.worker.stages.outputs import Stage
from tests.streams.flows import Record


def make_parts(
    settings: Settings,
    flow: Flow,
    encoder: Any,
    fail: Callable[[BaseException], None],
    *,
    sink: Any = None,
    metrics: Metrics | None = None,
    backoff: Backoff | None = None,
    scoring: Scoring | None = None,
    adapters: Mapping[str, Adapter] | None = None,
) -> Parts:
    """Parts that publish into memory, and whose events may flow."""
    metrics = metrics or Metrics()
    backoff = backoff or Backoff(metrics, Health(), settings.worker.retry_deadline_s)
    oversight = Oversight(metrics, backoff.health, backoff, fail)
    parts = build_parts(settings, flow, encoder, sink or MemoryLog(), adapters or {}, oversight, scoring)
    parts.runner.catalog_ready.set()
    return parts


class BatchEvent:
    """A Faust event whose value is a batch."""

    def __init__(self, records: Sequence[Record], topic: str = "behavior.events.v1") -> None:
        self.value, self.acked = RecordBatch(topic, 0, records), False

    def ack(self) -> None:
        """See Faust."""
        self.acked = True


async def run(parts: Parts, stage: Stage, event: BatchEvent) -> BatchEvent:
    """One batch, to its acknowledgement."""
    await parts.runner.run(stage, event)
    while parts.runner._tasks:
        await asyncio.gather(*parts.runner._tasks)
    return event
