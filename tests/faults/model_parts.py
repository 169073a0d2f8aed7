"""What the model's workers and its oracle are made of: flows that know nothing yet, and recovered states."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from encoders.text.hashing import HashingEncoder
from streams.flow.flow import Flow
from streams.recommend import Catalog
from streams.settings.settings import Settings
from streams.state.changelog import NO_EPOCH, TopicIdentity
from streams.state.restore import Restoring
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow
from tests.faults.model import Broker

DIM = 8
TOPIC = "behavior.events.v1"
SOURCE = TopicIdentity(TOPIC, 1, "as it was made")
ENCODER = HashingEncoder(DIM)
CHUNK = 7  # changelog records per look, so that a recovery takes several


@lru_cache(maxsize=64)
def item_vector(item_id: str) -> Any:
    """Seeded unit vector of an item."""
    vector = np.random.default_rng(zlib.crc32(item_id.encode())).standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


@lru_cache(maxsize=8)
def kit(window: int, learns: bool = False) -> tuple[Settings, Flow]:
    """Settings with so many event ids per user, and a flow whose parts without state others share."""
    sizes = {"dedupe_window": window, "history_length": 40, "top_k": 2, "reasons": 1}
    settings = Settings(dimensions=DIM, encoder="hashing", learn_items=learns, **sizes)
    return settings, build_flow(settings, "hashing@test")


def new_flow(window: int, learns: bool = False) -> Flow:
    """A flow that knows no item and no user."""
    _, like = kit(window, learns)
    parts = like.recommender, like.event_weights, like.writer, like.options
    return Flow(like.model, like.layout, Catalog(DIM, 16), *parts)


def recovered(broker: Broker, flow: Flow, epoch: int = NO_EPOCH) -> UserPartition:
    """The state as the changelog says."""
    restoring, log = Restoring(UserPartition(0, flow.layout)), broker.changelog
    for start in range(0, len(log), CHUNK):
        chunk = log[start : start + CHUNK]
        restoring.add([e.key for e in chunk], [e.value for e in chunk], [e.offset for e in chunk])
    return restoring.state(SOURCE, epoch)
