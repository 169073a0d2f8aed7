"""Whatever verb meets a Kafka that is not there says so in one sentence, and no client's own line gets out."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from streams.local_kafka.local_kafka import free_port

RAW = ("%3|", "%4|", "%6|", "rdkafka#", "KafkaError{", "Traceback", "[thrd:")
VERBS = [
    ["worker"],
    ["worker", "--processes", "2"],
    ["audit"],
    ["replay"],
    ["topics", "create"],
    ["topics", "check"],
    ["fit", "projection", "--output", "projection.safetensors"],
    ["fit", "topics", "--output", "topics"],
    ["train", "encoder", "--output", "encoder"],
    ["load", "movielens", "films"],
]


def run(folder: Path, words: list[str], server: str) -> subprocess.CompletedProcess[str]:
    """The verb in a process, as a person would."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERESTFLOW_")}
    own = {
        "INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS": server,
        "INTERESTFLOW_ENCODER": "hashing",
        "INTERESTFLOW_METRICS_PORT": "0",
        "INTERESTFLOW_RETRY_DEADLINE_S": "1",
    }
    command = [sys.executable, "-m", "streams", *words]
    return subprocess.run(
        command, env=kept | own, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, subprocess.CompletedProcess[str]]]:
    """By verb: the server that is not there, and what the verb said. All at once, for they wait most of the time."""
    folder = films(tmp_path_factory.mktemp("verbs"))
    servers = [f"127.0.0.1:{free_port()}" for _ in VERBS]
    with ThreadPoolExecutor(len(VERBS)) as threads:
        found = threads.map(run, repeat(folder), VERBS, servers)
        return {
            " ".join(words): one for words, one in zip(VERBS, zip(servers, found, strict=True), strict=True)
        }


def films(folder: Path) -> Path:
    """With a tiny data set."""
    films = folder / "films"
    films.mkdir()
    (films / "movies.csv").write_text("movieId,title,genres\n1,A film,Drama\n")
    (films / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1600000000\n")
    (films / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,dark,1600000000\n")
    return folder


@pytest.mark.parametrize("verb", [" ".join(words) for words in VERBS])
def test_a_closed_port_is_told_in_a_sentence(
    done: dict[str, tuple[str, subprocess.CompletedProcess[str]]], verb: str
) -> None:
    server, ended = done[verb]
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    for part in RAW:
        assert part not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("interestflow: ")
    assert server in said
    assert "INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS" in last
    assert "INTERESTFLOW_KAFKA_SECURITY_PROTOCOL" in last
