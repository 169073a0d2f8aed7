"""A worker process forked from one that has loaded everything: its start costs a quarter of a second of CPU, not two.

It takes the command line and the environment as `interestflow` does, and ends as it does. What is special to a start
of Python itself, such as PYTHONPATH or an interrupt while modules load, is tested on processes that are not forked.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """`interestflow WORDS...`, with the methods of a Popen that tests use; its log goes to a file."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts it, in the working directory of this process."""
        self.args = ["interestflow", *words]
        descriptor, name = tempfile.mkstemp(prefix="forked-", suffix=".log")
        os.close(descriptor)
        self._log = Path(name)
        weakref.finalize(self, self._log.unlink)
        arguments = (list(words), dict(environment), os.getcwd(), self._log)
        self._process = _context.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As a Popen."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Exit status. Raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[None, str]:
        """Once it has ended, what it wrote to either output."""
        self.wait(timeout)
        return None, self.said()

    def said(self) -> str:
        """What it has written by now."""
        return self._log.read_text()


def _run(words: list[str], environment: dict[str, str], folder: str, log: Path) -> None:
    """Body of the process, which dies with the one that forked it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with log.open("ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["interestflow", *words]
    from streams.__main__ import main

    main()
