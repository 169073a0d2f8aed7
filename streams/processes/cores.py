"""How many cores this process may use: its affinity, and the quota of its control group (Linux)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable() -> int:
    """At least one. A quota of 2.5 cores is two: a third process would be held up half of the time."""
    return max(1, math.floor(min(_allowed(), quota())))


def quota(groups: Path = GROUPS, own: Path = OWN) -> float:
    """Cores that the control group and those above it allow; infinite where none limits them.

    groups: where control groups are mounted. own: names the groups of this process.
    """
    return min(_quotas(groups, own), default=float("inf"))


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:  # version 2: one hierarchy for all
            root, files = groups, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            root, files = groups / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = root / name.lstrip("/")
        # A container may see its own group at the root, and be told its name outside: so every level is looked at.
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                yield from _read([folder / file for file in files])


def _read(files: list[Path]) -> Iterator[float]:
    """Quota over period; nothing where there is no limit or no such file."""
    try:
        allowed, period = (number for file in files for number in file.read_text().split())
        if allowed not in ("max", "-1"):
            yield int(allowed) / int(period)
    except (OSError, ValueError):
        return
