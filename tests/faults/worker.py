"""A worker as `interestflow worker` runs it, that can be told to kill itself at a named point.

`python -m tests.faults.worker [POINT NTH]` takes its settings from the environment. The tests fork it from a
process that has imported everything once, so that a start costs a tenth of a second and not one or two, and
tell it the point at its start, or later by a file beside its log and SIGUSR1.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path

from streams.ops import heap
from streams.ops.endpoints import serve
from streams.settings.configuration import load
from streams.settings.settings import Settings
from streams.wiring.worker import build_worker
from tests.faults import points

PR_SET_PDEATHSIG = 1
# What `interestflow` exits with on an error that a person can cause.
USER_ERROR = 1


def order_file(log: Path) -> Path:
    """Where a running worker, told by SIGUSR1, finds `NTH POINT`."""
    return log.with_suffix(".point")


async def run(settings: Settings, point: str = "", nth: int = 1, orders: Path | None = None) -> None:
    """Until told to stop, or until the point has been passed `nth` times."""
    worker = build_worker(settings)
    if settings.observation.metrics_port:
        serve(
            worker.metrics,
            worker.health,
            settings.observation.metrics_host,
            settings.observation.metrics_port,
        )

    def obey() -> None:
        assert orders is not None
        count, _, name = orders.read_text().partition(" ")
        points.arm(worker, name, int(count))

    if point:
        points.arm(worker, point, nth)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, obey)
    await worker.run()


def forked(settings: Settings, log: Path, point: str = "", nth: int = 1) -> None:
    """Body of a forked process: its log goes to a file, and it dies with the process that forked it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with log.open("ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    main(settings, point, nth, order_file(log))


def main(settings: Settings, point: str = "", nth: int = 1, orders: Path | None = None) -> None:
    """Run, and turn what a person can cause into a sentence and an exit status, as the command does."""
    from streams.ops.log_lines import set_up_logging
    from streams.ops.user_errors import USER_ERRORS

    heap.limit()
    set_up_logging(settings.observation.log_level)
    try:
        asyncio.run(run(settings, point, nth, orders))
    except USER_ERRORS as error:
        logging.getLogger(__name__).critical("%s", error)
        logging.shutdown()
        # As `sys.exit`, but sure of ending: a forked process must not run its parent's clean-up.
        os._exit(USER_ERROR)
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main(load(), *sys.argv[1:2], *map(int, sys.argv[2:3]))
