"""An engine as a process: start, pause, resume, count CPU seconds, stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from streams.bench.errors import BenchError
from streams.ops.parent_death import end_with_parent

T = TypeVar("T")
LOG_LINES = 30
STOP_DEADLINE_S = 20.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Engine:
    """A running engine; its output is in a log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @property
    def pid(self) -> int:
        """Process id, which is that of its process group too."""
        return self.process.pid

    def require_alive(self) -> None:
        """Raise BenchError, with the end of the log, where it has ended."""
        if (status := self.process.poll()) is not None:
            raise BenchError(f"{self.name} ended with status {status}; its log ends with:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])

    def hold(self) -> None:
        """Pause it with all its children (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def release(self) -> None:
        """Resume it (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """User and system time so far, children included."""
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """Memory now, children included."""
        return resident_bytes(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        # Not the process group: workers side by side have one each.
        of_each(self.pid, lambda one: one.send_signal(number))

    def end(self) -> None:
        """SIGTERM, after a deadline SIGKILL; returns when it is gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._signal(signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_DEADLINE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def engine(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Engine]:
    """The engine for the length of the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            end_with_parent(command),
            env={**os.environ, **environment},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Engine(name, process, log)
    try:
        yield running
    finally:
        running.end()


def answer(case: str, *arguments: object) -> dict[str, list[float]]:
    """The answer of a case's child process (see `child`), with one thread for linear algebra. Raises BenchError."""
    command = [sys.executable, "-m", "streams.bench.child", case, json.dumps(arguments)]
    done = subprocess.run(
        end_with_parent(command),
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-LOG_LINES:])
        raise BenchError(f"{case} failed:\n{tail}")
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def problem_of(command: Sequence[str], deadline_s: float) -> str | None:
    """Run a command to its end; the end of what it said where it failed, else None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_s, check=False)
        said = done.stderr if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    return None if said is None else said[-600:].strip()


def of_each(pid: int, ask: Callable[[psutil.Process], T]) -> list[T]:
    """What a process, and each of its children, answers; those that end meanwhile do not. Raises NoSuchProcess."""
    process, found = psutil.Process(pid), list[T]()
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(ask(one))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children, those that ended included."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        total = sum(of_each(pid, lambda one: sum(one.cpu_times()[:2])))
        total += sum(psutil.Process(pid).cpu_times()[2:4])
    return total


def resident_bytes(pid: int) -> int:
    """Resident set of a process and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(of_each(pid, lambda one: int(one.memory_info().rss)))
    return 0
