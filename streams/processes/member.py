"""One place of the group: the process that runs in it, its log lines, and how it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe

from streams.ops.parent_death import end_with_parent
from streams.ops.process import FAILED
from streams.processes.line import Line

CHUNK = 1 << 16
# Seconds for the last lines of a log whose process has ended.
LAST_LINES_S = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended. status: its exit status, or minus the signal. said: the last line of its log."""

    status: int
    said: str = ""

    def __str__(self) -> str:
        """For a sentence: with status 70, by SIGKILL."""
        if self.status >= 0:
            return f"with status {self.status}"
        with suppress(ValueError):
            return f"by {signal.Signals(-self.status).name}"
        return f"by signal {-self.status}"


class Member:
    """Runs one process at a time in its place. On the event loop of the main thread."""

    def __init__(
        self,
        number: int,
        command: Callable[[int], Sequence[str]],
        environment: Mapping[str, str],
        write: Callable[[bytes], object],
        inherited: Sequence[int] = (),
    ) -> None:
        """number: from 1. command: the words that start the process, given the descriptor of its line to us.

        environment: beside that of this process. write: takes the lines of its log, with the number before each.
        inherited: further descriptors that the process gets, by the same numbers.
        """
        self.number, self._command, self._write = number, command, write
        self._inherited = inherited
        self._environment = {**os.environ, **environment}
        self._process: Process | None = None
        self._ending = False
        # To the process that runs now; None between two.
        self.line: Line | None = None
        # Monotonic seconds at which the process was seen to be ready first.
        self.ready_since: float | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None else None

    async def run(self) -> Ending:
        """Start a process, and wait for its end."""
        self.ready_since = None
        try:
            process, line = await self._start()
        except OSError as error:
            return Ending(FAILED, f"the process cannot be started: {error}")
        self._process, self.line = process, line
        if self._ending:
            self.terminate()
        assert process.stderr is not None
        passing = asyncio.ensure_future(self._pass_on(process.stderr))
        status = await process.wait()
        self._process = None
        # Its own children may hold the log open.
        await asyncio.wait({passing}, timeout=LAST_LINES_S)
        said = "" if not passing.done() else passing.result()
        passing.cancel()
        return Ending(status, said)

    def terminate(self) -> None:
        """Tell the process to end in order, and one that is just being started too."""
        self._ending = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that it started at once."""
        self._ending = True
        self._signal(signal.SIGKILL)

    def ready_for(self) -> float:
        """Seconds since the process was ready first; 0 where it never was."""
        return 0.0 if self.ready_since is None else time.monotonic() - self.ready_since

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                # SIGTERM is for the worker alone; SIGKILL for the group that it leads.
                (os.killpg if number == signal.SIGKILL else os.kill)(self._process.pid, number)

    async def _start(self) -> tuple[Process, Line]:
        ours, theirs = Pipe()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *end_with_parent(self._command(theirs.fileno())),
                env=self._environment,
                stdin=DEVNULL,
                stderr=PIPE,
                pass_fds=(theirs.fileno(), *self._inherited),
                # A Ctrl-C in the terminal is for the parent, which then ends all in order.
                start_new_session=True,
            )
        return process, Line(ours)

    async def _pass_on(self, log: asyncio.StreamReader) -> str:
        """Write each line with the number before it; returns the last one that says something."""
        name, rest, last = f"[{self.number}] ".encode(), b"", b""
        while chunk := await log.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                self._write(b"".join(name + line + b"\n" for line in lines))
            last = next((line for line in reversed(lines) if line.strip()), last)
        if rest:
            self._write(name + rest + b"\n")
        return (rest.strip() or last.strip()).decode(errors="replace")
