"""Worker processes that write down their two-tower vectors when they are told to."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streams.ops.endpoints import serve
from streams.ops.log_lines import set_up_logging
from streams.settings.settings import Settings
from streams.wiring.worker import build_worker
from streams.worker.worker import Worker

PR_SET_PDEATHSIG = 1
DEADLINE_S = 90.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])

# By item: uses that were learned from, and vectors and AdaGrad's sums as bytes.
Vectors = dict[str, tuple[int, bytes]]


class Watched:
    """A worker process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.settings = folder, settings
        self.process = _context.Process(target=_forked, args=(settings, folder))
        self.process.start()

    def vectors(self) -> Vectors | None:
        """As they are now, of the items that were learned of; None where the worker does not say in time."""
        asked, path = len(list(self.folder.glob("*.npz"))), self.folder
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGUSR1)
        self.process.join(0.5)
        if len(found := sorted(path.glob("*.npz"))) == asked:
            return None
        with np.load(found[-1]) as kept:
            columns = (kept[name] for name in ("items", "uses", "numbers"))
            rows = zip(*columns, strict=True)
            return {str(item): (int(uses), numbers.tobytes()) for item, uses, numbers in rows}

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    def leave(self) -> None:
        """SIGTERM, and an end in order."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(DEADLINE_S)
        assert self.process.exitcode == 0, self.log


@contextmanager
def watched(folder: Path, *settings: Settings) -> Iterator[list[Watched]]:
    """Running workers, gone at the end of the block."""
    workers: list[Watched] = []
    try:
        for number, own in enumerate(settings):
            workers.append(Watched(own, folder / str(number)))
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def _forked(settings: Settings, folder: Path) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with (folder / "log").open("ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    set_up_logging(settings.observation.log_level)
    asyncio.run(_run(settings, folder))
    os._exit(0)


async def _run(settings: Settings, folder: Path) -> None:
    worker, numbers = build_worker(settings), iter(range(1, 1_000_000))
    under_way: list[asyncio.Future[None]] = []
    serve(worker.metrics, worker.health, settings.observation.metrics_host, settings.observation.metrics_port)

    def obey() -> None:
        path = folder / f"{next(numbers):06}"
        under_way.append(asyncio.ensure_future(worker.runner.model.run(_write, worker, path)))

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, obey)
    await worker.run()


def _write(worker: Worker, path: Path) -> None:
    flow: Any = worker.publisher.flow
    towers, ids = flow.recommender.towers, np.array(flow.catalog.item_ids)
    towers.follow(flow.catalog)
    uses = towers._known[: len(ids)]
    parts = [part.reshape(len(ids), -1) for one in towers.each for part in one.read(np.arange(len(ids)))]
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, items=ids, uses=uses, numbers=np.concatenate(parts, axis=1))
    part.rename(path.with_suffix(".npz"))
