"""The demo as people run it: with a broker and a worker of its own, of which nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

LAST_LINE = re.compile(
    r"demo: events=(\d+) vectors=(\d+) recommendations=(\d+) rejected=(\d+) p50_ms=([\d.]+) p99_ms=([\d.]+) "
    r"cosine_truth=([\d.]+) cosine_truth_static=([\d.]+) "
    r"events_to_follow_shift=([\d.]+) events_to_follow_shift_static=([\d.]+)"
)
DEADLINE_S = 240.0


def start(home: Path, seconds: int, **settings: str) -> subprocess.Popen[str]:
    """`interestflow demo` with few users; its standard error goes to `home`.err."""
    command = [sys.executable, "-m", "streams", "demo", "--seconds", str(seconds), "--users", "40"]
    environment = {**os.environ, "INTERESTFLOW_HOME": str(home), **settings}
    with home.with_suffix(".err").open("w") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)


def await_line(home: Path, text: str) -> None:
    """Until standard error holds it."""
    deadline = time.monotonic() + DEADLINE_S
    while text not in home.with_suffix(".err").read_text():
        assert time.monotonic() < deadline, home.with_suffix(".err").read_text()
        time.sleep(0.05)


def left(home: Path) -> list[str]:
    """What still runs or lies about: processes that name the folder, and the folder itself."""
    found = [str(home)] if home.exists() else []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(home) in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


def test_the_last_line_says_what_came_of_it_and_nothing_is_left(tmp_path: Path) -> None:
    home = tmp_path / "home"
    # Settings of the environment are for the user's own Kafka, and one of them is even wrong.
    own = {"INTERESTFLOW_KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "INTERESTFLOW_DIMENSIONS": "many"}
    demo = start(home, 8, **own)
    output, _ = demo.communicate(timeout=DEADLINE_S)
    errors = home.with_suffix(".err").read_text()
    assert demo.returncode == 0, errors
    assert "Traceback" not in errors
    found = LAST_LINE.fullmatch(output.splitlines()[-1])
    assert found, output
    events, vectors, recommendations, rejected, *others = map(float, found.groups())
    assert "are in no vector" not in errors
    assert 0 < rejected < events / 100
    assert recommendations > 0
    assert 0 < vectors <= events - rejected
    p50, p99, cosine, cosine_static, follow, follow_static = others
    assert 0 < p50 <= p99
    assert cosine_static < cosine < 1
    assert 0 < follow < follow_static
    assert left(home) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting a local", signal.SIGINT),
        ("starting the worker", signal.SIGTERM),
        ("simulating", signal.SIGINT),
    ],
)
def test_a_signal_ends_it_at_once_and_nothing_is_left(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    demo = start(home, 600)
    try:
        await_line(home, moment)
        time.sleep(0.5)
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    errors = home.with_suffix(".err").read_text()
    assert demo.returncode == 130, errors
    assert "Traceback" not in errors
    assert output == ""
    assert left(home) == []
