"""The line between a parent and a process: the parent asks, the process answers with its health and its metrics.

It is a pair of sockets without a name, so that nobody else can ask, and its end tells either side that the other is
gone. The process speaks first, when it can be asked, and last, when it ends in order.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait

import msgspec
from prometheus_client import CollectorRegistry

from streams.ops.endpoints import Probed, Shown

QUESTION = b"?"


class Family(msgspec.Struct, array_like=True, frozen=True):
    """A metric with all its samples. samples: name, labels and value of each."""

    name: str
    kind: str
    about: str
    samples: list[tuple[str, dict[str, str], float]]


class Report(msgspec.Struct, array_like=True, frozen=True):
    """What a process answers. reason: why it is not ready."""

    alive: bool
    ready: bool
    reason: str
    families: list[Family]


def report(registry: CollectorRegistry, health: Probed) -> Report:
    """The health and the metrics of this process as they are now."""
    families = [
        Family(
            family.name,
            family.type,
            family.documentation,
            # When a counter was made says nothing of the sum over processes.
            [(s.name, dict(s.labels), s.value) for s in family.samples if not s.name.endswith("_created")],
        )
        for family in registry.collect()
    ]
    ready, reason = health.readiness()
    return Report(health.alive, ready, reason, families)


class Answers:
    """A process's end: answers on a thread of its own, and ends the process in order where the parent is gone."""

    def __init__(self, descriptor: int, metrics: Shown, health: Probed) -> None:
        """descriptor: of the inherited socket."""
        os.set_inheritable(descriptor, False)
        self._connection, self._metrics, self._health = Connection(descriptor), metrics, health
        self._sending = threading.Lock()
        threading.Thread(target=self._serve, name="parent", daemon=True).start()

    def close(self) -> None:
        """Tell the last counts."""
        with suppress(OSError):
            self._send()

    def _serve(self) -> None:
        try:
            self._send()
            while self._connection.recv_bytes():
                self._send()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)

    def _send(self) -> None:
        told = msgspec.msgpack.encode(report(self._metrics.registry, self._health))
        with self._sending:
            self._connection.send_bytes(told)


class Line:
    """The parent's end of the line to one process. One thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # A process that starts cannot be asked yet; it speaks first.
        self.heard = False
        self.open = True
        self.asked = True

    def ask(self) -> None:
        """Ask, unless an answer is awaited still: what a paused process is asked would pile up."""
        if self.open and not self.asked:
            try:
                self.connection.send_bytes(QUESTION)
                self.asked = True
            except OSError:
                self.open = False

    def hear(self) -> Report | None:
        """The newest report that has come, None where none has."""
        newest = None
        try:
            while self.connection.poll():
                newest = msgspec.msgpack.decode(self.connection.recv_bytes(), type=Report)
                self.heard, self.asked = True, False
        except (EOFError, OSError):
            self.open = False
        return newest


def ask(lines: Sequence[Line], patience_s: float) -> Mapping[Line, Report]:
    """The report of each process that answers in time. Only a process that was heard before is waited for."""
    answers: dict[Line, Report] = {}
    until = time.monotonic() + patience_s
    for line in lines:
        line.ask()
    awaited = {line.connection: line for line in lines if line.open}
    while awaited:
        patient = any(line.heard for line in awaited.values())
        came = wait(list(awaited), max(0.0, until - time.monotonic()) if patient else 0.0)
        if not came:
            break
        for connection in came:
            assert isinstance(connection, Connection)
            line = awaited.pop(connection)
            if (told := line.hear()) is not None:
                answers[line] = told
    return answers
