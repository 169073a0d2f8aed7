"""Several processes of one command, with small scripts in place of workers: restarts, ends, and what is shown."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from streams.processes.member import Ending, Member
from streams.processes.overview import Overview
from streams.processes.supervisor import Policy, Supervisor

SCRIPT = Path(__file__).parent / "member.py"
ROOT = Path(__file__).parents[3]
QUICK = Policy(5.0, 0.5, first_pause_s=0.05, longest_pause_s=0.2, most_failures=3, look_s=0.1)


class Group:
    """A group on a loop of this thread; `do` runs beside it in another one, and SIGTERM ends the group then."""

    def __init__(self, folder: Path, *does: str, until_idle: bool = False, policy: Policy = QUICK) -> None:
        self.log, self.folder = b"", folder
        self.members = [self.member(number, what) for number, what in enumerate(does, 1)]
        self.overview = Overview(self.members, 1.0)
        self._supervise: Callable[[], Supervisor] = lambda: Supervisor(
            self.members, self.overview, policy, until_idle=until_idle
        )
        self.problem: BaseException | None = None

    def member(self, number: int, does: str) -> Member:
        folder = self.folder / str(number)
        folder.mkdir()
        words = [sys.executable, str(SCRIPT), does, str(folder)]
        return Member(number, lambda fd: [*words, str(fd)], {"PYTHONPATH": str(ROOT)}, self.write)

    def write(self, lines: bytes) -> None:
        self.log += lines

    def run(self, do: Callable[[Group], object] | None = None) -> Ending:
        async def supervised() -> Ending:
            supervisor = self._supervise()
            return await supervisor.run()

        thread = threading.Thread(target=self._beside, args=(do,))
        if do is not None:
            thread.start()
        try:
            return asyncio.run(supervised())
        finally:
            if do is not None:
                thread.join()
            if self.problem is not None:
                raise self.problem

    def _beside(self, do: Callable[[Group], object]) -> None:
        try:
            do(self)
        except BaseException as error:
            self.problem = error
        os.kill(os.getpid(), signal.SIGTERM)

    def pids(self, number: int) -> list[int]:
        return [int(line) for line in (self.folder / str(number) / "pids").read_text().splitlines()]

    def left(self) -> list[int]:
        """Processes of the group that still run. One that was ended before it could note its pid is seen too."""
        return [child.pid for child in psutil.Process().children() if self._runs_here(child)]

    def _runs_here(self, child: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return str(self.folder) in " ".join(child.cmdline())
        return False

    def sample(self, name: str, **labels: str) -> float | None:
        return self.overview.registry.get_sample_value(f"interestflow_{name}", labels)


@pytest.fixture
def group(tmp_path: Path) -> Callable[..., Group]:
    return lambda *does, **how: Group(tmp_path, *does, **how)


def await_that(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ready(group: Group) -> None:
    await_that(lambda: group.overview.readiness()[0])


MakeGroup = Callable[..., Group]


def test_sigterm_ends_all_in_order_and_nothing_is_left(group: MakeGroup) -> None:
    two = group("live", "live")

    def look(two: Group) -> None:
        ready(two)
        assert len(two.left()) == 2

    assert two.run(look) == Ending(0)
    assert two.left() == []
    assert sorted(two.log.splitlines()) == [b"[1] number 1 lives", b"[2] number 1 lives"]


def test_a_process_that_is_killed_is_started_again_and_no_count_goes_back(group: MakeGroup) -> None:
    two = group("live", "live")

    def kill_one(two: Group) -> None:
        ready(two)
        assert two.sample("events_total", outcome="applied") == 20
        os.kill(two.pids(2)[0], signal.SIGKILL)
        await_that(lambda: len(two.pids(2)) == 2)
        ready(two)
        # 10 of each, and the second life of process 2 counts 20.
        assert two.sample("events_total", outcome="applied") == 40
        assert two.sample("process_restarts_total") == 1
        assert two.sample("catalog_items", visibility="visible") == 2
        lags = {
            pid: two.sample("consumer_lag_records", topic="events", partition=str(pid)) for pid in two.pids(2)
        }
        assert list(lags.values()) == [None, 5]

    assert two.run(kill_one) == Ending(0)
    assert two.left() == []


def test_a_group_is_ready_when_every_process_is(group: MakeGroup) -> None:
    def look(two: Group) -> None:
        await_that(lambda: two.sample("processes", state="answering") == 2)
        assert two.overview.readiness() == (False, "process 2 of 2: recovering")
        assert two.sample("processes", state="ready") == 1
        assert two.overview.alive

    assert group("live", "unready").run(look) == Ending(0)


def test_a_process_that_does_not_answer_makes_the_group_neither_ready_nor_alive(group: MakeGroup) -> None:
    def pause(two: Group) -> None:
        ready(two)
        os.kill(two.pids(1)[0], signal.SIGSTOP)
        # An answer that was on its way when it was stopped still counts.
        await_that(lambda: two.overview.readiness() == (False, "process 1 of 2: it does not answer"))
        assert not two.overview.alive
        # What it counted stays, what it held is not shown.
        assert two.sample("events_total", outcome="applied") == 20
        assert two.sample("consumer_lag_records", topic="events", partition=str(two.pids(1)[0])) is None
        os.kill(two.pids(1)[0], signal.SIGCONT)
        ready(two)
        assert two.overview.alive

    assert group("live", "live").run(pause) == Ending(0)


def test_a_wrong_setting_ends_all_with_its_status_and_sentence(group: MakeGroup) -> None:
    two = group("live", "wrong")
    assert two.run() == Ending(1, "topic t does not exist: create it")
    assert two.left() == []
    assert len(two.pids(2)) == 1


def test_a_failure_that_repeats_ends_all_with_its_status(group: MakeGroup) -> None:
    two = group("live", "fail")
    said = "process 2 of 2 ended with status 70, 3 times in a row: cannot go on: disk full"
    assert two.run() == Ending(70, said)
    assert len(two.pids(2)) == 3
    assert two.left() == []


def lives(group: Group, number: int) -> int:
    """How many processes have run in a place so far."""
    return len(group.pids(number)) if (group.folder / str(number) / "pids").exists() else 0


def end_often(signalled: int, patience_s: float) -> Callable[[Group], None]:
    """Ends the one process four times by a signal, so long after it was ready."""

    def end(one: Group) -> None:
        for life in range(1, 5):
            await_that(lambda life=life: lives(one, 1) == life)
            ready(one)
            time.sleep(patience_s)
            os.kill(one.pids(1)[-1], signalled)
        await_that(lambda: lives(one, 1) == 5)

    return end


IMPATIENT = Policy(5.0, first_pause_s=0.05, longest_pause_s=0.1, most_failures=2, look_s=0.05, well_s=0.2)


def test_a_failure_is_forgiven_once_the_process_was_ready_for_a_while(group: MakeGroup) -> None:
    assert group("live", policy=IMPATIENT).run(end_often(signal.SIGABRT, 0.4)) == Ending(0)


def test_a_process_that_is_killed_often_ends_no_other(group: MakeGroup) -> None:
    policy = replace(IMPATIENT, well_s=60.0)
    assert group("live", policy=policy).run(end_often(signal.SIGKILL, 0.0)) == Ending(0)


def test_a_crash_that_repeats_ends_all(group: MakeGroup) -> None:
    two = group("live", "crash", policy=IMPATIENT)
    ending = two.run()
    assert (ending.status, two.left()) == (70, [])
    assert ending.said.startswith("process 2 of 2 ended by SIGABRT, 2 times in a row")


def test_a_process_that_does_not_end_is_ended_at_the_deadline(group: MakeGroup) -> None:
    two = group("live", "hang", policy=Policy(0.5, 0.5))
    started = time.monotonic()
    assert two.run(ready) == Ending(75)
    assert time.monotonic() - started < 15
    assert two.left() == []


def test_a_process_that_was_too_slow_tells_of_it(group: MakeGroup) -> None:
    assert group("live", "slow").run(ready) == Ending(75)


def test_the_group_ends_when_nobody_has_anything_to_do(group: MakeGroup) -> None:
    two = group("idle", "idle", until_idle=True)
    assert two.run() == Ending(0)
    # The last words of each were heard.
    assert two.sample("events_total", outcome="applied") == 22
    assert two.sample("processes", state="answering") == 0


def test_one_that_failed_is_started_again_where_the_others_have_nothing_to_do(group: MakeGroup) -> None:
    two = group("fail-once", "idle", until_idle=True)

    def wait(two: Group) -> None:
        await_that(lambda: b"[1] number 2 lives" in two.log)

    assert two.run(wait) == Ending(0)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a group of two."""
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.streams.processes.test_supervisor import Group\n"
        "Group(Path(sys.argv[1]), 'live', 'live').run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    yield process
    process.kill()
    process.wait()


def test_a_parent_that_is_killed_takes_its_processes_along(
    parent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    files = [tmp_path / number / "pids" for number in ("1", "2")]
    await_that(lambda: all(file.exists() and file.read_text() for file in files))
    pids = [int(file.read_text()) for file in files]
    parent.kill()
    await_that(lambda: not any(psutil.pid_exists(pid) for pid in pids))
