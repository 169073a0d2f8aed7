"""Flows and records for tests: a small catalog, a hashing encoder, no Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from encoders.text.hashing import HashingEncoder
from streams.flow.flow import Decoded, Flow, Updated
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow

T0 = 1_600_000_000_000
DIM = 16


@dataclass(slots=True)
class Record:
    """What the flow reads of a Kafka record."""

    value: bytes | None
    offset: int
    key: bytes | None = None
    topic: str = "behavior.events.v1"
    partition: int = 0
    timestamp: int = T0 * 2
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    appended: bool = True


def make_flow(items: int = 8, **options: Any) -> Flow:
    """A flow with items i0, i1, … whose vectors are of seeded random directions."""
    settings = Settings(dimensions=DIM, encoder="hashing", **options)
    flow = build_flow(settings, "hashing@test")
    for index in range(items):
        flow.catalog.put(f"i{index}", item_vector(index))
    flow.partitions[0] = UserPartition(0, flow.layout)
    return flow


def item_vector(index: int) -> Any:
    """Unit vector of item `i<index>`."""
    vector = np.random.default_rng(1000 + index).standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def record(offset: int, user: str = "u", item: str | None = "i0", **fields: Any) -> Record:
    """A canonical event's record."""
    event = {
        "event_id": f"e{offset}",
        "user_id": user,
        "action": "click",
        "timestamp": T0 + offset,
        "source": "t",
    }
    if item is not None:
        event["item_id"] = item
    return Record(orjson.dumps({**event, **fields}), offset)


def apply(flow: Flow, records: list[Record], partition: int = 0) -> Updated:
    """Decode, encode and update one batch."""
    return settle(flow, partition, flow.decode(records))


def settle(flow: Flow, partition: int, decoded: Decoded) -> Updated:
    """Encode and update what is decoded."""
    texts = HashingEncoder(DIM).encode(decoded.texts())
    return flow.update(partition, decoded, texts)


def vectors(updated: Updated) -> dict[str, dict[str, Any]]:
    """Published vector records by user."""
    return {key.decode(): orjson.loads(value) for key, value in updated.vectors}
