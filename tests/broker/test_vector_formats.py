"""Vectors as bare floats on a real Kafka: read back by replay, audit and the bench, beside others."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Message

from streams.bench.stream.checking import read_vectors as read_bench
from streams.flow.vector_formats import read_vectors
from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, run_worker

USERS = 20


@pytest.mark.parametrize(("vector_format", "size"), [("f4le", 4), ("f2le", 2)])
def test_vectors_as_bare_floats_are_those_of_a_replay(
    vector_format: str,
    size: int,
    make_settings: Callable[..., Settings],
    produce: Callable[..., None],
    read_topic: Callable[[str], list[Message]],
) -> None:
    fields: dict[str, Any] = {**SMALL, "partitions": 2, "batch_events": 50}
    settings = make_settings(**fields, vector_format=vector_format)
    topics.create(settings)
    produce(settings.topics.items, items())
    raw = settings.topics.raw_sources[0].topic
    produce(raw, clicks(400, users=USERS))
    run_worker(settings)
    messages = {message.key(): message for message in read_topic(settings.topics.vectors)}
    assert len(messages) == USERS
    for message in messages.values():
        assert ("x-vector", vector_format.encode()) in (message.headers() or [])
        record = read_vectors(message.value(), message.headers())
        assert (len(message.value()), len(record["vectors"])) == (size * record["dim"], 1)
        assert np.linalg.norm(record["vectors"].astype(np.float64)) == pytest.approx(1, abs=1e-3)
    assert replay.verify(settings).equal
    books = audit(settings)
    assert (books.balanced, books.vector_users) == (True, USERS)


def test_a_reader_takes_each_record_in_the_format_in_which_it_was_written(
    make_settings: Callable[..., Settings],
    produce: Callable[..., None],
    read_topic: Callable[[str], list[Message]],
    kafka: str,
) -> None:
    """As after a change of the setting."""
    settings = make_settings(**SMALL, partitions=1)
    topics.create(settings)
    produce(settings.topics.items, items())
    raw = settings.topics.raw_sources[0].topic
    for first, vector_format in enumerate(("base64", "f2le", "f4le", "array")):
        produce(raw, clicks(40, first=100 * first, users=USERS))
        run_worker(settings.model_copy(update={"vector_format": vector_format}))
    assert len({str(m.headers()) for m in read_topic(settings.topics.vectors)}) > 2
    assert replay.verify(settings).equal
    published = replay.newest_published(settings)

    cluster: Any = SimpleNamespace(config={"bootstrap.servers": kafka})
    found = read_bench(cluster, settings.topics.vectors, {key.decode() for key in published})
    assert {user: count for user, (count, _) in found.items()} == {
        key.decode(): record["count"] for key, record in published.items()
    }
