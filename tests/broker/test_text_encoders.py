"""Encoders of texts made from topics, or asked for over HTTP, at work in a worker on a real Kafka."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from encoders.onnx.encoder import OnnxEncoder
from encoders.text.hashing import HashingEncoder
from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from streams.wiring.encoder import build_encoder
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.shop import ITEMS, USERS, catalog, embeddings, visits
from tests.broker.test_worker import event, items, latest
from tests.broker.workers import SMALL, command, eventually, is_ready, run_worker, running_worker
from tests.encoders.tiny import make_bert

TEXTS = [f"{kind} {n}" for n, kind in enumerate(["mug kitchen", "shoe sport"])]


@pytest.fixture
def shop(make_settings: MakeSettings, produce: Produce, tmp_path: Path) -> Settings:
    """Settings of a tiny encoder of 32 dimensions, whose topics hold the shop."""
    made = make_settings(**SMALL, partitions=2)
    source = Source(topic=made.topics.events, format="canonical")
    own = {"sources": (source,), "encoder": str(make_bert(tmp_path / "base")), "dimensions": 32}
    settings = made.model_copy(update=own)
    topics.create(settings)
    produce(settings.topics.items, catalog())
    produce(settings.topics.events, visits())
    return settings


def works(settings: Settings, read_topic: ReadTopic) -> None:
    """A worker encodes the catalog with the settings' encoder, and folds the events."""
    run_worker(settings)
    known = embeddings(read_topic, settings)
    assert len(known) == ITEMS
    np.testing.assert_allclose([known["i0"], known["i1"]], build_encoder(settings).encode(TEXTS), atol=1e-5)
    assert len(latest(read_topic(settings.topics.vectors))) == USERS
    assert replay.verify(settings).equal


def test_an_encoder_trained_from_topics_is_what_a_worker_reads_with(
    shop: Settings, read_topic: ReadTopic, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="the extra `train` is not installed")
    output = tmp_path / "trained"
    quick = ["--held-out", "0.2", "--learning-rate", "3e-3", "--epochs", "1", "--batch", "16"]
    told = command(shop, "train", "encoder", "--output", str(output), *quick)
    settings = shop.model_copy(update={"encoder": str(output)})
    encoder = build_encoder(settings)
    assert told.startswith(f"{output}: revision {encoder.revision} pairs=")
    assert not np.allclose(encoder.encode(TEXTS), build_encoder(shop).encode(TEXTS), atol=1e-3)
    works(settings, read_topic)


def test_an_encoder_exported_with_a_catalog_from_its_topic_is_what_a_worker_reads_with(
    shop: Settings, read_topic: ReadTopic, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    output = tmp_path / "int8"
    told = command(shop, "export", "onnx", "--output", str(output), "--int8")
    assert told.startswith(f"{output}: revision {OnnxEncoder(output).revision}, int8 in ")
    works(shop.model_copy(update={"encoder": f"onnx:{output}"}), read_topic)


def test_what_topics_are_fitted_from_a_topic_a_worker_reads_with(
    shop: Settings, read_topic: ReadTopic, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn", reason="the extra `topics` is not installed")
    settings, output = shop.model_copy(update={"dimensions": 8}), tmp_path / "topics"
    told = command(settings, "fit", "topics", "--output", str(output))
    assert told.endswith(f"Set INTERESTFLOW_ENCODER=topics INTERESTFLOW_TOPICS={output}\n")
    works(settings.model_copy(update={"encoder": "topics", "topics": output}), read_topic)


# --- remote -------------------------------------------------------------------------------------------------


@contextmanager
def served(port: int) -> Iterator[Callable[[], None]]:
    """A server of embeddings, in a process of its own; kill() ends it with its connections."""
    server = subprocess.Popen([sys.executable, "-m", "tests.encoders.remote.served", str(port)])

    def kill() -> None:
        server.kill()
        server.wait()

    try:
        yield kill
    finally:
        kill()


def searches(first: int, count: int) -> list[tuple[bytes, bytes]]:
    """Of texts that no cache knows."""
    return [
        event(n, f"u{n % 5}", action="search", text=f"blue thing {n}") for n in range(first, first + count)
    ]


def test_an_encoders_server_that_goes_away_for_a_while_costs_no_event(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    port, metrics = free_port(), free_port()
    own = {"encoder": f"http://127.0.0.1:{port}/v1", "encoder_remote_model": "some-model"}
    settings = make_settings(**{**SMALL, **own}, partitions=2, metrics_port=metrics)
    topics.create(settings)
    produce(settings.topics.items, items(10))
    raw = settings.topics.raw_sources[0].topic
    with served(port) as kill, running_worker(settings):
        produce(raw, searches(0, 30))
        eventually(lambda: audit(settings).outcomes["applied"] == 30, "the first searches")
        kill()
        produce(raw, searches(30, 30))
        eventually(lambda: not is_ready(metrics), "the pause")
        assert audit(settings).outcomes["applied"] == 30
        with served(port):
            eventually(lambda: audit(settings).outcomes["applied"] == 60, "the others")
            assert is_ready(metrics)
            assert replay.verify(settings).equal
    assert (audit(settings).balanced, audit(settings).rejected) == (True, {})
    expected = HashingEncoder(16).encode([f"red thing {n}" for n in range(10)])
    known = embeddings(read_topic, settings)
    np.testing.assert_allclose([known[f"i{n}"] for n in range(10)], expected, atol=1e-6)
