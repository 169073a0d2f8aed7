"""A small shop to learn from: items of four kinds, of which each user takes to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from streams.catalog.items import Embedding, decode_embedding
from streams.settings.settings import Settings
from tests.broker.conftest import ReadTopic
from tests.broker.test_worker import event

KINDS = ["mug kitchen", "shoe sport", "lamp light", "book paper"]
ITEMS, USERS = 60, 300


def item(item_id: str, title: str = "", *media: str) -> tuple[bytes, bytes]:
    return item_id.encode(), orjson.dumps({"item_id": item_id, "title": title, "media": media})


def catalog() -> list[tuple[bytes, bytes]]:
    """Of a kind each; every third without a picture."""
    pictures = [[f"{n % 10}.png"] if n % 3 else [] for n in range(ITEMS)]
    return [item(f"i{n}", f"{KINDS[n % len(KINDS)]} {n}", *own) for n, own in enumerate(pictures)]


def visits() -> list[tuple[bytes, bytes]]:
    """Of each user to three items of a kind, a minute behind the user before."""
    rng = np.random.default_rng(0)
    found = []
    for user in range(USERS):
        for step, drawn in enumerate(rng.integers(ITEMS // len(KINDS), size=3)):
            item_id = f"i{drawn * len(KINDS) + user % len(KINDS)}"
            found.append(event(60 * user + step, f"u{user}", item_id, source="test"))
    return found


def embeddings(read_topic: ReadTopic, settings: Settings) -> dict[str, Any]:
    """The newest vector of each item, none of which was removed."""
    found = [decode_embedding(m.key(), m.value()) for m in read_topic(settings.topics.embeddings)]
    return {one.item_id: one.array() for one in found if isinstance(one, Embedding)}
