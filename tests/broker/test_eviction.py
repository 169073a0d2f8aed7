"""Workers whose memory is bounded, on a real Kafka: as right as others, also after a kill."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.history import replay
from streams.history.audit import audit
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.test_worker import clicks, items
from tests.broker.workers import SMALL, counted, eventually, finish, run_worker, spawn

Produce = Callable[..., None]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], produce: Produce, tmp_path: Path) -> Settings:
    """With topics, a catalog and 3,000 events of 20 users, of whom 6 have room."""
    own: dict[str, Any] = {
        **SMALL,
        "partitions": 2,
        "batch_events": 20,
        "users_in_memory": 6,
        # Who is due a recommendation would stay.
        "recommend": False,
        "session_timeout_s": 6.0,
    }
    made = make_settings(**own, evicted_dir=tmp_path / "evicted")
    topics.create(made)
    produce(made.topics.items, items())
    produce(made.topics.raw_sources[0].topic, clicks(3000))
    return made


def sound(settings: Settings, *written: list[tuple[bytes, bytes]]) -> None:
    books = audit(settings)
    assert books.balanced, books.problems
    assert counted(settings) == Counter(user for part in written for user, _ in part)
    verdict = replay.verify(settings)
    assert verdict.equal
    assert verdict.users == 20


def test_a_worker_that_evicts_is_as_right_as_another_also_after_a_kill(
    settings: Settings, produce: Produce
) -> None:
    worker = spawn(settings)
    eventually(lambda: audit(settings).read > 500, "events")
    worker.send_signal(signal.SIGKILL)
    finish(worker, -signal.SIGKILL)
    folder = settings.memory.evicted_dir
    assert folder is not None
    (left,) = folder.iterdir()
    log = run_worker(settings)
    assert "recovered" in log
    assert not left.exists()
    assert list(folder.iterdir()) == []
    sound(settings, clicks(3000))
    produce(settings.topics.raw_sources[0].topic, clicks(500, first=3000))
    run_worker(settings)
    sound(settings, clicks(3000), clicks(500, first=3000))
