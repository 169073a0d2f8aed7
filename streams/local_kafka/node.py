"""The process of a local Apache Kafka: format, launch, check and stop."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

from streams.local_kafka.files import HOST
from streams.local_kafka.install import Java, LocalKafkaError
from streams.ops.parent_death import end_with_parent

STOP_DEADLINE_S = 20.0
POLL_S = 0.05
LOG_TAIL_LINES = 30
# Serial: 2.7 us of CPU per 700-byte record (G1 4.3, parallel 4.0), and the least memory.
# Performance counters would be a file outside the home folder.
JVM = ("-XX:+UseSerialGC", "-XX:-UsePerfData")
# Below what Linux (32768) and macOS (49152) give to outgoing connections.
FREE_PORTS = range(20_000, 32_768)
FREE_PORT_ATTEMPTS = 100
# Not the seeded one: two tests with one seed would choose the same port.
_chance = SystemRandom()

# Processes that this one started, kept so that they are reaped when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}


def free_port() -> int:
    """A loopback TCP port that is free, and outside the range of outgoing connections.

    Within that range, a client that retries a stopped broker may get the broker's port for its own end and connect
    to itself. Raises LocalKafkaError.
    """
    for port in _chance.sample(FREE_PORTS, FREE_PORT_ATTEMPTS):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise LocalKafkaError(
        f"no port of {HOST} from {FREE_PORTS[0]} to {FREE_PORTS[-1]} is free: stop what uses them"
    )


def require_free(port: int) -> None:
    """Raise LocalKafkaError where `port` on loopback cannot be listened on."""
    with socket.socket() as probe:
        # As the broker does; else a port in TIME_WAIT after a restart would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalKafkaError(
                f"port {port} on {HOST} cannot be used ({error.strerror}): choose another with --port "
                "(0 for any), or stop what uses it"
            ) from None


def _java_command(home: Path, java: Java, jars: Path, options: Sequence[str]) -> list[str]:
    properties = {"log4j2.configurationFile": home / "log4j2.properties", "java.io.tmpdir": home / "tmp"}
    # Native libraries are unpacked into tmpdir, and stay there when the process is killed.
    defined = [f"-D{key}={value}" for key, value in properties.items()]
    return [str(java.program), *JVM, *options, *defined, "-cp", f"{jars}/*"]


def new_cluster_id() -> str:
    """An id as Kafka makes them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def format_data(home: Path, java: Java, jars: Path, cluster: str = "") -> None:
    """Give a new data folder its cluster id and metadata log; an old one stays as it is.

    cluster: the id, which all nodes of a cluster share; by default a new one.
    """
    if (home / "data" / "meta.properties").exists():
        return
    # One in 64 ids begins with a dash: the `=` keeps it from being read as an option.
    cluster = cluster or new_cluster_id()
    command = [
        *_java_command(home, java, jars, ["-XX:TieredStopAtLevel=1"]),
        *("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"),
        *("--config", str(home / "server.properties")),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise LocalKafkaError(
            f"cannot format {home / 'data'}:\n{result.stdout}{result.stderr}{log_tail(home)}"
        )


def launch(home: Path, java: Java, jars: Path, options: Sequence[str], *, ends_with_parent: bool) -> int:
    """Start the broker's process; returns its pid. ends_with_parent: it ends when this process dies (Linux)."""
    command = [*_java_command(home, java, jars, options), "kafka.Kafka", str(home / "server.properties")]
    with (home / "logs" / "console.log").open("wb") as console:
        process = subprocess.Popen(
            end_with_parent(command) if ends_with_parent else command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=home,
            # A Ctrl-C in the terminal is for us: we then stop the broker in order.
            start_new_session=True,
        )
    _children[process.pid] = process
    return process.pid


def is_running(home: Path, pid: int) -> bool:
    """Whether `pid` is alive and is the broker of `home`, not another process that got its number."""
    child = _children.get(pid)
    if child is not None:
        # Its number is not reused before we reap it; and /proc shows no arguments right after an exec.
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    return str(home / "server.properties") in _command_line(pid)


def _command_line(pid: int) -> list[str]:
    """Arguments of a process, empty where there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip().rpartition("kafka.Kafka ")[1:]


def wait_until_up(home: Path, pid: int, server: str, deadline_s: float) -> None:
    """Return once the broker at `server` (host:port) answers a metadata request, else LocalKafkaError."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if not is_running(home, pid):
            raise LocalKafkaError(f"the local broker ended while it started; its log:\n{log_tail(home)}")
        if _accepts(server) and _answers(server):
            return
        time.sleep(POLL_S)
    raise LocalKafkaError(
        f"the local broker did not answer within {deadline_s:g} s; its log:\n{log_tail(home)}"
    )


def _accepts(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def _answers(server: str) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        return bool(AdminClient({"bootstrap.servers": server}).list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False


def terminate(home: Path, pid: int, patience_s: float = STOP_DEADLINE_S) -> None:
    """SIGTERM, and after `patience_s` SIGKILL; returns when the process is gone."""
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, STOP_DEADLINE_S)):
        if not is_running(home, pid):
            return
        # It leads a group of its own, so that no helper process of the JVM is left behind.
        os.killpg(pid, number)
        deadline = time.monotonic() + wait_s
        while is_running(home, pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    if is_running(home, pid):
        raise LocalKafkaError(f"process {pid} of the local broker does not end, even by SIGKILL")


def log_tail(home: Path) -> str:
    """The last lines of the broker's own log and of what the JVM printed."""
    tails = []
    for name in ("console.log", "server.log"):
        path = home / "logs" / name
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        tails.append("\n".join([f"--- {path}", *lines[-LOG_TAIL_LINES:]]))
    return "\n".join(tails)
