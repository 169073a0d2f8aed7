"""What is started or made for a verb's own time is gone when it ends, and a failure says why."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from streams.demo.children import ChildError, child, environment, interruptible, temporary_folder


def test_a_child_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    verb = ["settings", "--config", "no-such.toml"]
    with child(verb, os.environ, tmp_path / "log") as process, pytest.raises(ChildError) as failure:
        process.wait()
    assert "interestflow settings --config no-such.toml" in str(failure.value)
    assert "does not exist" in str(failure.value)


def test_a_child_ends_with_its_block_whatever_happens(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children()}
    with suppress(ZeroDivisionError), child(["settings"], os.environ, tmp_path / "log") as process:
        process.check()
        raise ZeroDivisionError
    assert {process.pid for process in psutil.Process().children()} <= before
    with pytest.raises(ChildError, match="interestflow settings"):
        process.check()


def test_environment_has_the_given_settings_and_none_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTFLOW_TOP_K", "wrong")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    given = environment({"metrics_port": 0, "projection": tmp_path / "p"}, tmp_path)
    ours = {name: value for name, value in given.items() if name.startswith("INTERESTFLOW_")}
    assert ours == {"INTERESTFLOW_METRICS_PORT": "0", "INTERESTFLOW_PROJECTION": str(tmp_path / "p")}
    assert given["HTTPS_PROXY"] == "http://proxy:1"
    assert given["TMPDIR"] == str(tmp_path)


def test_a_temporary_folder_goes_with_the_parent_that_was_made_for_it(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), temporary_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("something")
        raise ZeroDivisionError
    assert not (tmp_path / "made").exists()
    (tmp_path / "there").mkdir()
    with temporary_folder(tmp_path / "there") as folder:
        assert folder.parent == tmp_path / "there"
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_interrupts_and_the_next_cut_no_clean_up_short(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    cleaned = False

    def work() -> None:
        nonlocal cleaned
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
            # What a library may make of being interrupted.
            raise RuntimeError

    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            work()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert cleaned


def test_without_a_signal_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is before
