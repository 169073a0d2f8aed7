"""The local file of evicted rows: what it returns, what it removes, and what it says when the disk fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams.state.bounded.spill_file import SpillFile
from streams.state.store import StateError

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from streams.state.bounded.spill_file import SpillFile
from streams.state.store import StateError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
file = SpillFile(Path(sys.argv[1]))
try:
    for number in range(100):
        file.put(0, {f"{number}-{user}": bytes(1700) for user in range(1000)})
except StateError as error:
    print(error)
"""


def test_the_last_value_of_each_user_and_partition_comes_back(tmp_path: Path) -> None:
    file = SpillFile(tmp_path)
    file.put(1, {"a": b"1", "é": b"2"})
    file.put(2, {"a": b"3"})
    file.put(1, {"a": b"4"})
    assert file.get(1, ["é", "never", "a"]) == [b"2", None, b"4"]
    assert file.get(2, ["é", "a"]) == [None, b"3"]
    assert list(file.values(1)) == [("a", b"4"), ("é", b"2")]
    assert list(file.values(0)) == []
    file.close()


def test_nothing_is_left_and_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "evicted-left"
    left.mkdir()
    (left / "in-use").touch()
    other = tmp_path / "mine"
    other.touch()
    first, second = SpillFile(tmp_path), SpillFile(tmp_path)
    assert not left.exists()
    first.put(0, {"a": b"1"})
    assert first.get(0, ["a"]) == [b"1"]
    assert second.get(0, ["a"]) == [None]
    first.close()
    second.close()
    assert list(tmp_path.iterdir()) == [other]


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    file = SpillFile(tmp_path)
    file.put(0, {f"u{number}": bytes([number % 256]) * 1700 for number in range(1000)})
    file.flush()
    (table,) = file.path.rglob("*.sst")
    data = bytearray(table.read_bytes())
    data[:: len(data) // 500] = bytes(byte ^ 1 for byte in data[:: len(data) // 500])
    table.write_bytes(data)
    with pytest.raises(StateError, match="start the worker again"):
        file.get(0, [f"u{number}" for number in range(1000)])
    file.close()


def test_a_removed_folder_is_noticed(tmp_path: Path) -> None:
    file = SpillFile(tmp_path)
    shutil.rmtree(file.path)
    file.put(0, {"a": bytes(1700)})
    with pytest.raises(StateError, match="start the worker again"):
        file.flush()
    file.close()


def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Make room there" in done.stdout


def test_a_folder_that_cannot_be_made_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="INTERESTFLOW_EVICTED_DIR"):
        SpillFile(tmp_path / "file")
