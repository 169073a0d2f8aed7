"""Settings into a group of processes, and its run."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from streams.ops.endpoints import serve
from streams.processes import common_memory, cores, own_settings
from streams.processes.member import Ending, Member
from streams.processes.overview import Overview
from streams.processes.supervisor import Policy, Supervisor
from streams.settings.sections.worker import AUTO
from streams.settings.settings import Settings

log = logging.getLogger(__name__)


def size(settings: Settings) -> int:
    """How many processes the settings ask for; auto: one per usable core, but no more than partitions."""
    asked = settings.worker.processes
    if asked != AUTO:
        return int(asked)
    usable, partitions = cores.usable(), settings.topics.partitions
    count = min(usable, partitions)
    log.info("auto is %d processes: %d usable cores, %d partitions", count, usable, partitions)
    return count


def run(settings: Settings, processes: int, exit_when_idle: float | None) -> Ending:
    """Run workers in so many processes until the group ends; returns how. Raises PortError.

    exit_when_idle: seconds without work after which each of them ends.
    """
    words: list[str] = [] if exit_when_idle is None else ["--exit-when-idle", str(exit_when_idle)]
    shared = common_memory.make()
    if shared:
        words += ["--shared", ",".join(map(str, shared))]

    def command(descriptor: int) -> Sequence[str]:
        return [sys.executable, "-m", "streams", "worker", *words, "--parent", str(descriptor)]

    members = [
        Member(number, command, own_settings.environment(settings, number), _write, shared)
        for number in range(1, processes + 1)
    ]
    overview, shown = Overview(members), settings.observation
    supervisor = Supervisor(
        members, overview, Policy(settings.worker.shutdown_deadline_s), until_idle=exit_when_idle is not None
    )
    stop, port = serve(overview, overview, shown.metrics_host, shown.metrics_port)
    log.info("metrics of %d processes on http://%s:%d/metrics", processes, shown.metrics_host, port)
    try:
        return asyncio.run(supervisor.run())
    finally:
        stop()


def _write(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.flush()
