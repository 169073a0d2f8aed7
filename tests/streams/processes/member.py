"""A member for tests: a worker to its parent, but without Kafka. Arguments: what it does, a folder, its descriptor."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.processes.line import Answers


def started(folder: Path) -> int:
    """How many have been started in the folder, this one included; its pid is noted there."""
    with (folder / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    return len((folder / "pids").read_text().splitlines())


def main(does: str, folder: Path, descriptor: int) -> None:
    """Live until SIGTERM, unless told otherwise."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if does == "hang" else lambda *_: ended.append(1))
    number = started(folder)
    metrics, health = Metrics(), Health()
    metrics.events.labels("applied").inc(10 * number)
    metrics.consumer_lag.labels("events", str(os.getpid())).set(5)
    metrics.catalog.labels("visible").set(number)
    health.set_ready(does != "unready", "recovering")
    answers = Answers(descriptor, metrics, health)
    if does == "wrong":
        print("interestflow: topic t does not exist: create it", file=sys.stderr)
        sys.exit(1)
    if does == "fail" or (does == "fail-once" and number == 1):
        print(
            "2026-01-01 00:00:00,000 CRITICAL streams.ops.process: cannot go on: disk full", file=sys.stderr
        )
        os._exit(70)
    if does == "crash":
        os.abort()
    if does == "idle":
        ended.append(1)
    print(f"number {number} lives", file=sys.stderr, flush=True)
    while not ended:
        time.sleep(0.01)
    metrics.events.labels("applied").inc(1)
    answers.close()
    if does == "slow":
        os._exit(75)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
