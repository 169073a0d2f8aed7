"""The line between a parent and a process: who speaks when, and what its end means."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

import pytest

from streams.processes.line import Line, ask

SCRIPT = Path(__file__).parent / "member.py"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def talking(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Line]]:
    """A process that nothing but the line binds to us, and our end."""
    ours, theirs = Pipe()
    with theirs:
        words = [sys.executable, str(SCRIPT), "live", str(tmp_path), str(theirs.fileno())]
        process = subprocess.Popen(
            words, env={"PYTHONPATH": str(ROOT)}, pass_fds=(theirs.fileno(),), stderr=subprocess.DEVNULL
        )
    with ours:
        yield process, Line(ours)
    process.kill()
    process.wait()


def test_a_process_speaks_first_and_is_waited_for_from_then_on(
    talking: tuple[subprocess.Popen[bytes], Line],
) -> None:
    process, line = talking
    started = time.monotonic()
    assert ask([line], 60.0) == {}
    assert time.monotonic() - started < 10
    assert line.connection.poll(60.0)
    told = [ask([line], 60.0)[line] for _ in range(3)]
    assert all(one.ready and one.alive for one in told)
    process.terminate()
    assert process.wait(60) == 0
    last = line.hear()
    assert last is not None
    (events,) = (family for family in last.families if family.name == "interestflow_events")
    assert events.samples == [("interestflow_events_total", {"outcome": "applied"}, 11.0)]
    assert ask([line], 60.0) == {}
    assert not line.open


def test_a_process_whose_parent_is_gone_ends_in_order(talking: tuple[subprocess.Popen[bytes], Line]) -> None:
    process, line = talking
    assert line.connection.poll(60.0)
    line.connection.close()
    assert process.wait(60) == 0
