"""Child processes and a folder that a verb needs while it runs, and never leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from streams.local_kafka.install import LocalKafkaError
from streams.ops.parent_death import end_with_parent
from streams.settings.errors import UserError
from streams.settings.section import ENV_PREFIX

LOG_TAIL_LINES = 30
STOP_PATIENCE_S = 10.0


class ChildError(UserError):
    """A child process ended as it should not have; the message says which, with the end of its log."""


class Child:
    """One verb of `interestflow` in a process of its own."""

    def __init__(self, verb: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Starts it. log: file of its standard output and error."""
        self.name, self.log = f"interestflow {' '.join(verb)}", log
        command = [sys.executable, "-m", "streams", *verb]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                end_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                # A Ctrl-C in the terminal is for us: we then stop it in order.
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises ChildError if the child has ended."""
        if self._process.poll() is not None:
            raise self._failure()

    def wait(self) -> None:
        """Wait until the child has ended. Raises ChildError if it failed."""
        if self._process.wait():
            raise self._failure()

    def stop(self, patience_s: float = STOP_PATIENCE_S) -> None:
        """SIGTERM, and after `patience_s` SIGKILL; returns when it is gone."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            # It leads a process group, so that none of its helpers is left behind.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _failure(self) -> ChildError:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        status = self._process.returncode
        return ChildError("\n".join([f"`{self.name}` ended with status {status}; its log ends:", *lines]))


@contextmanager
def child(verb: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Child]:
    """A child for the length of the block: it is gone afterwards, whatever happens."""
    process = Child(verb, environment, log)
    try:
        yield process
    finally:
        process.stop()


def environment(settings: Mapping[str, Any], temporary: Path) -> dict[str, str]:
    """This process's environment with these settings and none of its own. temporary: for such files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    given = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, **given, "TMPDIR": str(temporary)}


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, gone after the block, as is `parent` if it was made for it.

    Raises LocalKafkaError where it cannot be made.
    """
    made = not parent.exists()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="demo-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        advice = "set INTERESTFLOW_HOME to another folder"
        raise LocalKafkaError(f"cannot write to {parent} ({error.strerror}): {advice}") from None
    try:
        with folder as name:
            yield Path(name)
    finally:
        if made:
            with suppress(OSError):  # somebody else uses it by now
                parent.rmdir()


@contextmanager
def interruptible() -> Iterator[None]:
    """In the block the first SIGINT or SIGTERM raises KeyboardInterrupt; later ones do not interrupt the clean-up.

    Whatever exception an interrupted library raises instead, the block raises KeyboardInterrupt.
    """
    asked = False

    def interrupt(_number: int, _frame: Any) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        if not asked:
            for number, handler in before.items():
                signal.signal(number, handler)
