"""How the producer is set up; see sinks.kafka for what it has to promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Durability and order are not settings: a state that is acknowledged must be on disk, in order.
GUARANTEES: Mapping[str, Any] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,
    "partitioner": "murmur2_random",
}
# Several records share a batch only up to this size, so every topic must take it.
BATCH_BYTES = 1_000_000
DEFAULTS: Mapping[str, Any] = {
    "linger.ms": 5,
    "batch.size": BATCH_BYTES,
    # What may be outstanding is bounded by the batches in flight, not here.
    "queue.buffering.max.messages": 10_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    # What a topic takes is what bounds a record; this is what a broker's `socket.request.max.bytes` lets through.
    "message.max.bytes": 100_000_000,
    "compression.type": "none",  # unit vectors do not compress
    # Errors alone: that the guarantee of no gaps is "experimental" is a warning at each start.
    "log_level": 3,
}
