"""Real worker processes for tests: told what to do as a user would, with settings in the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.replay import newest_published
from streams.settings.section import ENV_PREFIX
from streams.settings.settings import Settings
from tests.broker.forked import Forked

DEADLINE_S = 90.0
# Long enough that a worker which waits for a rebalance is not taken for one that has nothing to do.
IDLE_S = "3"
# Small enough that tests have many batches, dimensions and texts that need no model.
SMALL: dict[str, Any] = {
    "encoder": "hashing",
    "dimensions": 16,
    "batch_events": 50,
    "recommend_interval_s": 0.2,
    "commit_interval_s": 0.3,
}


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a process exactly these settings."""
    dumped, defaults = flat_json(settings), flat_json(Settings())
    own = {name: value for name, value in dumped.items() if value is not None and value != defaults[name]}
    shown = {name: v if isinstance(v, str) else orjson.dumps(v).decode() for name, v in own.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**kept, **{ENV_PREFIX + name.upper(): value for name, value in shown.items()}}


def flat_json(settings: Settings) -> dict[str, Any]:
    """Every value as in JSON, by its flat name."""
    sections = settings.model_dump(mode="json", by_alias=True).values()
    return {name: value for section in sections for name, value in section.items()}


def command(settings: Settings, *words: str) -> str:
    """What `interestflow` prints, with these settings in the environment; in this process, where torch is loaded."""
    done = CliRunner().invoke(app, [*words], env=environment(settings))
    assert done.exit_code == 0, done.output
    return done.stdout


def spawn(settings: Settings, *options: str) -> Forked:
    """A worker process."""
    return Forked(["worker", *options], environment(settings))


def spawn_anew(settings: Settings, *options: str) -> subprocess.Popen[str]:
    """A worker process in a Python of its own; its log comes on `stderr`."""
    command = [sys.executable, "-m", "streams", "worker", *options]
    return subprocess.Popen(command, env=environment(settings), stderr=subprocess.PIPE, text=True)


def finish(worker: Forked | subprocess.Popen[str], status: int = 0) -> str:
    """Wait until the worker has ended by itself with this status; returns its log."""
    _, log = worker.communicate(timeout=DEADLINE_S)
    assert worker.returncode == status, log
    return log


def run_worker(settings: Settings) -> str:
    """Run one worker until there is nothing left to do; returns its log."""
    return finish(spawn(settings, "--exit-when-idle", IDLE_S))


@contextmanager
def running_worker(settings: Settings) -> Iterator[Forked]:
    """A worker for the length of the block, ended by SIGTERM, which must end it in order."""
    worker = spawn(settings)
    try:
        yield worker
        worker.send_signal(signal.SIGTERM)
        finish(worker)
    finally:
        worker.kill()
        worker.communicate()


class LoggedWorker:
    """A worker whose log goes to a file, since one that waits for brokers says more than a pipe holds."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self.log = settings, log
        command = [sys.executable, "-m", "streams", "worker"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, env=environment(settings), stderr=output)

    def ready(self) -> None:
        """Wait until it is."""
        eventually(lambda: is_ready(self.settings.observation.metrics_port), "readiness")

    def says(self, words: str) -> int:
        """How often its log does."""
        return self.log.read_text().count(words)

    def leave(self) -> None:
        """SIGTERM, and an end in order."""
        self.process.send_signal(signal.SIGTERM)
        self.ended(0)

    def ended(self, status: int) -> str:
        """Wait for its end with this status; its log, in which no traceback may be."""
        assert self.process.wait(60) == status, self.log.read_text()
        assert self.says("Traceback") == 0, self.log.read_text()
        return self.log.read_text()


@contextmanager
def logged_workers(folder: Path) -> Iterator[Callable[[Settings], LoggedWorker]]:
    """start(settings) -> a running worker with its log in the folder, gone at the end of the block."""
    started: list[LoggedWorker] = []

    def start(settings: Settings) -> LoggedWorker:
        started.append(LoggedWorker(settings, folder / f"{len(started)}.log"))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            worker.process.kill()
            worker.process.wait()


def counted(settings: Settings) -> dict[bytes, int]:
    """Events in the newest vector of each user."""
    return {user: record["count"] for user, record in newest_published(settings).items()}


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The condition's first true value; fails after a deadline, naming what did not come."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.1)
    return found


def is_ready(port: int) -> bool:
    """What /readyz of the worker on this port says; false where there is none yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
