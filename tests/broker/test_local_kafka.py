"""The local broker: start, restart, stop, and what must not go wrong in between."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from streams.commands.kafka import kafka_cli
from streams.local_kafka import local_kafka
from streams.local_kafka import node as kafka_node
from streams.local_kafka.files import HOST
from streams.local_kafka.local_kafka import LocalKafkaError


def test_topics_survive_a_restart_and_nothing_is_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cluster id that begins with a dash, as one in 64 does.
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xf8" * 16))
    broker = local_kafka.start(tmp_path, port=0)
    try:
        assert local_kafka.start(tmp_path, port=0) == broker
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        admin.create_topics([NewTopic("kept", 3, 1)])["kept"].result(30)
    finally:
        assert local_kafka.stop(tmp_path)
    assert local_kafka.status(tmp_path) is None
    assert not local_kafka.stop(tmp_path)
    log = (tmp_path / "logs" / "server.log").read_text()
    assert "Kafka Server started" in log
    assert "shut down completed" in log
    with local_kafka.running(tmp_path) as again:
        assert again.pid != broker.pid
        admin = AdminClient({"bootstrap.servers": again.bootstrap_servers})
        assert len(admin.list_topics(timeout=30).topics["kept"].partitions) == 3
    with pytest.raises(ProcessLookupError):
        os.kill(again.pid, 0)


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(LocalKafkaError, match=r"log\.retention\.bytes") as failure:
        local_kafka.start(tmp_path, port=0, properties={"log.retention.bytes": "many"})
    assert "server.log" in str(failure.value)
    assert local_kafka.status(tmp_path) is None


def test_block_that_fails_stops_the_broker(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), local_kafka.running(tmp_path) as broker:
        raise ZeroDivisionError
    assert not kafka_node.is_running(tmp_path, broker.pid)


def test_running_leaves_a_broker_alone_that_ran_before(tmp_path: Path) -> None:
    before = local_kafka.start(tmp_path, port=0, ends_with_parent=True)
    try:
        with local_kafka.running(tmp_path) as broker:
            assert broker == before
        assert local_kafka.status(tmp_path) == before
    finally:
        local_kafka.stop(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_broker_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from streams.local_kafka import local_kafka\n"
        "with local_kafka.running(Path(sys.argv[1])) as broker:\n"
        "    print(broker.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert kafka_node.is_running(tmp_path, pid)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    deadline = time.monotonic() + 30
    while kafka_node.is_running(tmp_path, pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    gone = not kafka_node.is_running(tmp_path, pid)
    kafka_node.terminate(tmp_path, pid)
    assert gone


def test_cli_starts_shows_and_stops(tmp_path: Path) -> None:
    run = CliRunner().invoke
    home = ["--home", str(tmp_path)]
    try:
        started = run(kafka_cli, ["start", "--port", "0", *home])
        assert started.exit_code == 0
        known = json.loads((tmp_path / "broker.json").read_text())
        assert known["bootstrap_servers"] in started.output
        assert str(known["pid"]) in started.output
        assert run(kafka_cli, ["status", *home]).exit_code == 0
    finally:
        assert run(kafka_cli, ["stop", *home]).exit_code == 0
    assert run(kafka_cli, ["status", *home]).exit_code == 3


def test_port_in_use_is_refused_before_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(kafka_cli, ["start", "--port", str(port), "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr
    assert "--port" in result.stderr
    assert not (tmp_path / "server.properties").exists()
