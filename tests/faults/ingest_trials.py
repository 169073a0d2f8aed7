"""Trials on deployments whose events come through ingest."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.ingesting import Ingesting
from tests.faults.node import Node
from tests.faults.trials import Fault, run


class Trials:
    """Makes deployments and runs faults on them."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.made: list[Ingesting] = []

    def kind(self, *workers: str, **fields: Any) -> Callable[[int], Ingesting]:
        """A function from a seed to a deployment with these workers. fields: see Ingesting."""

        def make(seed: int) -> Ingesting:
            deployment = Ingesting(
                self.node.servers, self.folder / f"{len(self.made)}", seed, static=len(workers) == 1, **fields
            )
            self.made.append(deployment)
            for name in workers:
                deployment.crew.start(name)
            return deployment

        return make

    def run(
        self, fault: Fault, count: int, kinds: Sequence[Callable[[int], Ingesting]], repeats: bool = False
    ) -> None:
        """Run them. repeats: some trial must have made the log say something again, else all of them prove nothing."""
        run([fault], count, kinds)
        told = sum(deployment.truth.repeats for deployment in self.made)
        assert told or not repeats, "no trial made anything that could be counted twice"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP for the length of the block, then SIGCONT."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
