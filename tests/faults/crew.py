"""Worker processes of a deployment: started, killed, paused, and restarted where they end by themselves.

A worker answers what it cannot handle by ending, and counts on whoever runs it to start it again; in a test
that is the crew. Workers are forked from a process that has imported everything and started no thread yet.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from streams.settings.settings import Settings
from tests.faults import worker

PRELOADED = ["tests.preloaded", "tests.faults.worker"]
STOP_DEADLINE_S = 45.0
RESTART_S = 0.2

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


class Member:
    """One worker process."""

    def __init__(self, settings: Settings, name: str, log: Path, point: str = "", nth: int = 1) -> None:
        """Starts it. log: file that its log is added to."""
        self.settings, self.name, self.log = settings, name, log
        arguments = (settings, log, point, nth)
        self.process: ForkServerProcess = _context.Process(target=worker.forked, args=arguments, name=name)
        self.process.start()

    @property
    def pid(self) -> int:
        """Process id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self.process.exitcode

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        if self.status is None:
            os.kill(self.pid, number)

    def wait(self, deadline_s: float = STOP_DEADLINE_S) -> int | None:
        """Exit status, None where it has not ended within the deadline."""
        self.process.join(deadline_s)
        return self.status


class Crew:
    """The workers of one deployment, by name."""

    def __init__(self, settings: Settings, folder: Path, static: bool, addresses: Mapping[str, str]) -> None:
        """static: each has a stable name in the group, so that a restart need not wait for a time-out.

        addresses: of the broker, by worker, where it is not that of the settings.
        """
        self.settings, self.folder, self.static, self.addresses = settings, folder, static, addresses
        self.members: dict[str, Member] = {}
        # Ends that nobody asked for, as (name, status): a worker that could not go on.
        self.ends: list[tuple[str, int]] = []
        self._expected: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="crew", daemon=True)
        self._watcher.start()

    def start(
        self, name: str, point: str = "", nth: int = 1, dies: bool = False, settings: Settings | None = None
    ) -> Member:
        """Start a worker, or the next process of one that has ended. dies: let it, when it does.

        settings: others than the crew's.
        """
        common = settings or self.settings
        instance = f"{self.settings.topics.app}-{name}" if self.static else None
        address = self.addresses.get(name, self.settings.kafka.bootstrap_servers)
        update = {"group_instance_id": instance, "kafka_bootstrap_servers": address}
        own = common.model_copy(update=update)
        with self._lock:
            (self._expected.add if dies else self._expected.discard)(name)
            self.members[name] = Member(own, name, self.folder / f"{name}.log", point, nth)
            return self.members[name]

    def order(self, name: str, point: str, nth: int) -> Member:
        """Tell a running worker to kill itself at the nth passage of the point; nobody starts it again."""
        self.expect_end(name)
        member = self.members[name]
        worker.order_file(member.log).write_text(f"{nth} {point}")
        member.send(signal.SIGUSR1)
        return member

    def kill(self, name: str) -> None:
        """SIGKILL, and return when it is gone."""
        self.expect_end(name)
        self.members[name].send(signal.SIGKILL)
        self.members[name].wait()

    def stop(self, name: str) -> int | None:
        """SIGTERM, wait for its end and forget it; returns its exit status, None where it did not end."""
        member = self.ask_to_stop(name)
        status = member.wait()
        if status is None:
            member.send(signal.SIGKILL)
            member.wait()
        return status

    def ask_to_stop(self, name: str) -> Member:
        """SIGTERM, and forget it."""
        self.expect_end(name)
        member = self.members.pop(name)
        member.send(signal.SIGTERM)
        return member

    def leave(self, name: str) -> None:
        """As `stop`; fails where it did not end in order."""
        status = self.stop(name)
        assert status == 0, f"{name} ended with {status} after SIGTERM"

    def expect_end(self, name: str) -> None:
        """Do not start it again when it ends."""
        with self._lock:
            self._expected.add(name)

    def logs(self, names: Iterable[str] | None = None, lines: int = 25) -> str:
        """The end of each worker's log."""
        chosen = (
            sorted(self.folder.glob("*.log")) if names is None else [self.folder / f"{n}.log" for n in names]
        )
        tails = [(path, path.read_text(errors="replace").splitlines()[-lines:]) for path in chosen]
        return "\n".join("\n".join([f"--- {path.stem}", *tail]) for path, tail in tails)

    def close(self) -> None:
        """Kill them all."""
        self._closing.set()
        self._watcher.join()
        for member in self.members.values():
            member.send(signal.SIGKILL)
        for member in self.members.values():
            member.wait()

    def _watch(self) -> None:
        while not self._closing.wait(0.05):
            for name, member in list(self.members.items()):
                with self._lock:
                    ended = name not in self._expected and self.members.get(name) is member
                    ended = ended and member.status is not None
                if ended:
                    self.ends.append((name, member.status or 0))
                    self._again(member)

    def _again(self, member: Member) -> None:
        time.sleep(RESTART_S)  # as whoever runs it would not start it again at once
        self.start(member.name, settings=member.settings)
