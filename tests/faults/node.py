"""The broker of the fault tests: it can be killed and started again, and be reached through a proxy."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.local_kafka import local_kafka
from streams.local_kafka import node as kafka_node
from streams.local_kafka.files import HOST
from tests.faults.proxy import Proxy

HEAP_MB = 384
GONE_DEADLINE_S = 30.0


def kill(home: Path, pid: int) -> None:
    """SIGKILL the broker of a home, and return when it is gone."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_DEADLINE_S
    while kafka_node.is_running(home, pid):
        assert time.monotonic() < deadline, "the broker survived SIGKILL"
        time.sleep(0.01)


class Node:
    """One local Kafka with two listeners: one for the tests, and one that is only known as the proxy."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, behind = local_kafka.free_port(), local_kafka.free_port()
        self.proxy = Proxy(behind)
        self.properties = {
            # So that a paused worker is found out within a test's time.
            "group.min.session.timeout.ms": "500",
            "listeners": f"PROXIED://{HOST}:{behind}",
            "advertised.listeners": f"PROXIED://{self.proxy.address}",
            "listener.security.protocol.map": "PROXIED:PLAINTEXT",
        }

    @property
    def servers(self) -> str:
        """The broker, directly."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, with the data that it had."""
        local_kafka.start(
            self.home, port=self.port, properties=self.properties, heap_mb=HEAP_MB, ends_with_parent=True
        )

    def stop(self) -> None:
        """End it in order."""
        local_kafka.stop(self.home)

    def kill(self) -> None:
        """SIGKILL, and return when it is gone."""
        broker = local_kafka.status(self.home)
        assert broker is not None
        kill(self.home, broker.pid)

    def __enter__(self) -> Self:
        self.proxy.start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()
        self.proxy.stop()
