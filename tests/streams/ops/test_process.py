"""A worker's process, with no broker anywhere: how it waits, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from streams.local_kafka.local_kafka import free_port
from streams.ops.process import stacks
from streams.ops.process_start import STATUS
from streams.settings.settings import Settings
from tests.broker.workers import SMALL, LoggedWorker, eventually, logged_workers


def settings(**fields: float) -> Settings:
    """Of a worker whose broker is not there."""
    own = {"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}", "metrics_port": free_port()}
    return Settings(**{**SMALL, **own, **fields})


Start = Callable[[Settings], LoggedWorker]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Start]:
    """child(settings) -> a running worker, gone at the end."""
    with logged_workers(tmp_path) as start:
        yield start


def answer(port: int, path: str) -> str:
    """What the worker says there; nothing while it does not listen."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return str(response.read().decode())
    except HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def test_brokers_that_are_away_are_told_of_everywhere_and_sigterm_ends_the_wait(child: Start) -> None:
    given = settings()
    worker = child(given)
    eventually(
        lambda: answer(given.observation.metrics_port, "/readyz").startswith("paused: kafka"), "the pause"
    )
    assert 'interestflow_paused{stage="kafka"} 1.0' in answer(given.observation.metrics_port, "/metrics")
    assert answer(given.observation.metrics_port, "/livez") == "alive\n"
    worker.process.send_signal(signal.SIGTERM)
    log = worker.ended(0)
    assert "trying again for up to" in log
    assert "stopped" in log


def test_brokers_that_stay_away_end_the_worker_with_a_sentence(child: Start) -> None:
    log = child(settings(retry_deadline_s=0.01)).ended(1)
    assert "INTERESTFLOW_RETRY_DEADLINE_S" in log
    assert "INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS" in log


def await_cpu(pid: int, seconds: float) -> None:
    """Until the process has had so much CPU: on a busy machine that is later by the clock. At most 20 s."""
    deadline = time.monotonic() + 20
    while sum(psutil.Process(pid).cpu_times()[:2]) < seconds and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("cpu_s", [0.3, 0.6, 1.0])
def test_an_interrupt_while_it_starts_is_quiet(cpu_s: float, child: Start) -> None:
    """Wherever it hits once Python itself has started; where the worker runs already it ends in order."""
    worker = child(settings())
    await_cpu(worker.process.pid, cpu_s)
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(60) in (0, STATUS)
    worker.ended(worker.process.returncode)


def test_a_taken_port_ends_it_with_a_sentence_that_names_the_setting(child: Start) -> None:
    given = settings()
    with socket.create_server(("127.0.0.1", given.observation.metrics_port)):
        assert "INTERESTFLOW_METRICS_PORT" in child(given).ended(1)


async def test_where_it_hangs_is_told_down_to_what_is_awaited() -> None:
    async def innermost() -> None:
        await asyncio.sleep(60)

    async def outer() -> None:
        await innermost()

    task = asyncio.ensure_future(outer())
    await asyncio.sleep(0)
    told = stacks()
    task.cancel()
    assert "thread MainThread:" in told
    assert "in outer" in told
    assert "in innermost" in told
