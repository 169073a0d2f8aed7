"""A local Apache Kafka on loopback: one node, broker and controller in one, for the demo, tests and benches.

Needs nothing but Python (see `kafka_install`). Everything of a broker lies in its home folder:
`server.properties`, `data/`, `logs/server.log` (Kafka's own log), `logs/console.log` (the JVM's output) and
`broker.json` (process id and address).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from streams.local_kafka import files as kafka_files
from streams.local_kafka import node as kafka_node
from streams.local_kafka.files import HOST
from streams.local_kafka.install import LocalKafkaError, find_jars, find_java
from streams.local_kafka.node import free_port
from streams.local_kafka.warmup import START_DEADLINE_S, warm_options

__all__ = ["Broker", "LocalKafkaError", "start", "stop", "status", "running", "free_port"]

NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker: its address for clients (host:port), process id and home folder."""

    bootstrap_servers: str
    pid: int
    home: Path


def default_home() -> Path:
    """`kafka` in the folder named by INTERESTFLOW_HOME, by default `.interestflow` in the current one."""
    return Path(os.environ.get("INTERESTFLOW_HOME") or ".interestflow").absolute() / "kafka"


def start(
    home: Path,
    *,
    port: int = 9092,
    properties: Mapping[str, str] = NO_PROPERTIES,
    heap_mb: int = 512,
    ends_with_parent: bool = False,
) -> Broker:
    """Start the broker of `home`, or return it as it is if it runs already; returns once it answers.

    port: of the plaintext listener on loopback, 0 for a free one.
    properties: broker settings over ours; `listeners` and its like are added to ours.
    heap_mb: most Java heap, in MiB.
    ends_with_parent: the broker ends when this process dies, however it dies (Linux; elsewhere without effect).
    Raises LocalKafkaError: no Java, no jars, port in use, or the broker does not come up (with its log).
    """
    home = home.absolute()
    with _locked(home):
        broker = status(home)
        if broker is not None:
            return broker
        broker = _launch(home, port or free_port(), properties, heap_mb, ends_with_parent)
        try:
            _remember(broker)
            kafka_node.wait_until_up(home, broker.pid, broker.bootstrap_servers, START_DEADLINE_S)
        except BaseException:
            kafka_node.terminate(home, broker.pid)
            raise
        return broker


def _launch(
    home: Path, port: int, properties: Mapping[str, str], heap_mb: int, ends_with_parent: bool
) -> Broker:
    """A broker whose process was started, though it may not answer yet."""
    java, jars = find_java(), find_jars(home)
    kafka_node.require_free(port)
    kafka_files.write_files(home, kafka_files.node_properties(home, port, free_port(), properties))
    kafka_node.format_data(home, java, jars)
    options = [f"-Xmx{heap_mb}m", "-Xms128m", *warm_options(java, jars)]
    return Broker(
        f"{HOST}:{port}",
        kafka_node.launch(home, java, jars, options, ends_with_parent=ends_with_parent),
        home,
    )


def stop(home: Path) -> bool:
    """Stop the broker of `home`: SIGTERM, after a deadline SIGKILL. False if none was running."""
    home = home.absolute()
    if not home.is_dir():
        return False
    with _locked(home):
        broker = status(home)
        if broker is not None:
            kafka_node.terminate(home, broker.pid)
        return broker is not None


def status(home: Path) -> Broker | None:
    """The running broker of `home`, or None; what a dead broker left behind counts for nothing."""
    home = home.absolute()
    try:
        known = json.loads((home / "broker.json").read_text())
        broker = Broker(known["bootstrap_servers"], int(known["pid"]), home)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return broker if kafka_node.is_running(home, broker.pid) else None


@contextmanager
def running(
    home: Path, *, port: int = 0, properties: Mapping[str, str] = NO_PROPERTIES, heap_mb: int = 512
) -> Iterator[Broker]:
    """A broker for the length of the block. One that ran before stays; ours ends, whatever happens."""
    before = status(home)
    if before is not None:
        yield before
        return
    try:
        yield start(home, port=port, properties=properties, heap_mb=heap_mb, ends_with_parent=True)
    finally:
        stop(home)


def _remember(broker: Broker) -> None:
    known = {"pid": broker.pid, "bootstrap_servers": broker.bootstrap_servers}
    (broker.home / "broker.json").write_text(json.dumps(known))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time starts or stops the broker of a home."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("w")
    except OSError as error:
        raise LocalKafkaError(
            f"cannot write to {home} ({error.strerror}): choose another with --home"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
