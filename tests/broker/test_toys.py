"""Packages that add one of each kind, at work in a worker on a real Kafka; see tests/toys."""

from __future__ import annotations

import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.settings.registries import ENCODERS
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import T0, items, latest
from tests.broker.workers import IDLE_S, SMALL, finish, spawn_anew

TOYS = Path(__file__).parent.parent / "toys"
DIM = 16


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Installs the toys for this process and those that it starts; the file of the destination."""
    folders = [str(folder) for folder in sorted(TOYS.iterdir())]
    for folder in folders:
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    monkeypatch.setenv("TOY_LINES", str(tmp_path / "lines"))
    return tmp_path / "lines"


@pytest.fixture
def deploy(toys: Path, make_settings: MakeSettings, produce: Produce, topic_prefix: str) -> Settings:
    """A deployment of toys alone, with a catalog and baskets of two users; one record is none."""
    own: dict[str, Any] = {
        **SMALL,
        "sources": (Source(topic=f"{topic_prefix}baskets", format="basket"),),
        "model": "latest",
        "recommender": "toy-newest",
        "encoder": "letters",
        "destinations": ("kafka", "lines"),
        "dimensions": DIM,
        "partitions": 1,
        "top_k": 3,
    }
    settings = make_settings(**own)
    topics.create(settings)
    produce(settings.topics.items, items(10))
    baskets = [
        f"u|purchase|i0 i3 i9|{T0}",
        f"v|click|i7|{T0 + 1}",
        f"u|click|i2|{T0 + 2}",
        "no basket",
        f"v|dislike|i4|{T0 + 3}",
    ]
    produce(settings.topics.raw_sources[0].topic, [(b"k", basket.encode()) for basket in baskets])
    return settings


def newest_lines(path: Path) -> dict[str, dict[str, Any]]:
    """table -> key -> value of the greatest version."""
    found: dict[str, dict[str, Any]] = {}
    lines = sorted(map(orjson.loads, path.read_bytes().splitlines()), key=lambda line: line[2])
    for table, key, _, value in lines:
        found.setdefault(table, {})[key] = orjson.loads(value)
    return found


def letters(item: int) -> Any:
    """What the toy encoder makes of an item."""
    return ENCODERS.build("letters", Settings(dimensions=DIM).encoder).encode([f"red thing {item}"])[0]


def test_a_format_a_model_a_recommender_a_destination_and_an_encoder_of_packages_work_together(
    deploy: Settings, toys: Path, read_topic: ReadTopic
) -> None:
    finish(spawn_anew(deploy, "--exit-when-idle", IDLE_S))  # PYTHONPATH has the toys
    books = audit(deploy)
    assert books.balanced, books.problems
    # The first basket is three events.
    assert (books.sources[deploy.topics.raw_sources[0].topic], books.outcomes["applied"]) == (5, 6)
    assert books.rejected == {"bad_envelope": 1}
    vectors = latest(read_topic(deploy.topics.vectors))
    assert {user: (one["model"], one["count"]) for user, one in vectors.items()} == {
        "u": ("latest", 4),
        "v": ("latest", 2),
    }
    last = {"u": letters(2), "v": -letters(4)}
    for user, one in vectors.items():
        np.testing.assert_allclose(np.frombuffer(b64decode(one["vector"]), "<f4"), last[user], atol=1e-6)
    recommended = latest(read_topic(deploy.topics.recommendations))
    assert shown(recommended) == {
        "u": [("i8", 8), ("i7", 7), ("i6", 6)],
        "v": [("i9", 9), ("i8", 8), ("i6", 6)],
    }
    assert newest_lines(toys) == {deploy.topics.vectors: vectors, deploy.topics.recommendations: recommended}
    assert replay.verify(deploy).equal


def shown(recommended: dict[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """Items and scores of each user, whose reasons add up."""
    for one in recommended.values():
        for item in one["items"]:
            total = sum(reason["contribution"] for reason in item["reasons"]) + item["other"]
            assert total == pytest.approx(item["score"], abs=1e-5)
    return {
        user: [(item["item_id"], item["score"]) for item in one["items"]] for user, one in recommended.items()
    }
