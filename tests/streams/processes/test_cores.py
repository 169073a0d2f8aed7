"""How many processes `auto` is: the cores that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.processes import cores


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    folder = tmp_path / "cgroup"
    folder.mkdir()
    return folder


def quota(groups: Path, own: str, files: dict[str, str]) -> float:
    """The quota of a process whose groups are `own`. files: what stands in the mounted control groups."""
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    (groups.parent / "own").write_text(own)
    return cores.quota(groups, groups.parent / "own")


def test_the_lowest_limit_from_the_own_group_up_counts(groups: Path) -> None:
    files = {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "250000 100000\n", "cpu.max": "400000 100000\n"}
    assert quota(groups, "0::/a/b\n", files) == 2.5


def test_a_group_that_a_container_cannot_see_is_passed_over(groups: Path) -> None:
    assert quota(groups, "0::/outside/docker\n", {"cpu.max": "150000 100000\n"}) == 1.5


def test_version_1_is_read(groups: Path) -> None:
    files = {"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}
    assert quota(groups, "4:cpu,cpuacct:/a\n3:memory:/a\n", files) == 3.0
    files = {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}
    assert quota(groups, "4:cpu,cpuacct:/a\n", files) == float("inf")


def test_without_control_groups_nothing_limits(groups: Path) -> None:
    assert quota(groups, "0::/\n", {}) == float("inf")
    assert cores.quota(groups, groups / "missing") == float("inf")


def test_there_is_at_least_one_and_no_more_than_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(cores, "quota", lambda: 0.5)
    assert cores.usable() == 1
    monkeypatch.setattr(cores, "quota", lambda: 2.9)
    assert cores.usable() == 2
    monkeypatch.setattr(cores, "quota", lambda: float("inf"))
    assert cores.usable() == 3
