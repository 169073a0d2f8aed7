"""Catalogs that share their vectors, each in a process of its own, told what to do one after the other."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from streams.processes.common_memory import make
from streams.recommend import Catalog, ContentRecommender, Queries
from streams.recommend.rows.arena import Arena
from streams.recommend.rows.shared import SharedRows

# Forked, so that what a test has patched holds there too.
FORK = get_context("fork")


class Holder:
    """What runs in the process."""

    def __init__(self, files: tuple[int, ...], dim: int) -> None:
        """files: none for a catalog that shares nothing."""
        if files:
            control, vectors = files
            self.arena = Arena(control, vectors, dim)
        self.catalog = Catalog(dim, rows=SharedRows(self.arena, 1) if files else None)
        self.held: Any = None

    def put(self, item_id: str, *values: float) -> int:
        return self.catalog.put(item_id, np.array(values, dtype=np.float32))

    def put_all(self, names: list[str], vectors: np.ndarray) -> None:
        for name, vector in zip(names, vectors, strict=True):
            self.catalog.put(name, vector)

    def remove(self, item_id: str) -> None:
        self.catalog.remove(item_id)

    def settle(self) -> None:
        self.catalog.settle()

    def hold(self) -> None:
        """Keep the present array, as a computation that runs on would."""
        self.held = self.catalog.vectors

    def held_bytes(self) -> bytes:
        return bytes(self.held.tobytes())

    def drop(self) -> None:
        self.held = None

    def known(self) -> dict[str, bytes]:
        """Vector of each item that is known."""
        return {name: self.catalog.vectors[row].tobytes() for name, row in self.catalog.row_of.items()}

    def rows(self) -> dict[str, int]:
        return dict(self.catalog.row_of)

    def columns(self) -> tuple[list[str], list[int], list[bool], list[int]]:
        """Ids, keys, which are live, and the rows that histories find."""
        catalog = self.catalog
        found = sorted(catalog.row_of_key.values())
        return list(catalog.item_ids), catalog.keys.tolist(), catalog.live.tolist(), found

    def recommended(self, vectors: np.ndarray, k: int) -> list[list[tuple[str, float]]]:
        """Ids and scores of the k best items by each of these interests."""
        none = np.zeros((len(vectors), 0))
        queries = Queries.single(vectors, [()] * len(vectors), none.astype(np.int32), none.astype(np.float32))
        ranked = ContentRecommender().recommend(self.catalog, queries, k)
        ids = self.catalog.item_ids
        return [
            [(ids[row], float(score)) for row, score in zip(rows, scores, strict=True) if row >= 0]
            for rows, scores in zip(ranked.rows, ranked.scores, strict=True)
        ]

    def shared(self) -> bool:
        return self.catalog.shared

    def own_bytes(self) -> int:
        """Bytes of the shared vectors of which this process has a copy of its own."""
        about = Path("/proc/self/smaps").read_text()
        mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", about, flags=re.MULTILINE)
        ours = [one for one in mappings if "memfd:interestflow-vectors" in one]
        return sum(1024 * int(re.findall(r"^Anonymous: +(\d+) kB", one, re.MULTILINE)[0]) for one in ours)

    def stop_within_the_lock(self) -> None:
        with self.arena.locked():
            os.kill(os.getpid(), signal.SIGSTOP)

    def die_within_the_lock(self) -> None:
        with self.arena.locked():
            os.kill(os.getpid(), signal.SIGKILL)

    def die_with_half_a_row(self, values: np.ndarray) -> None:
        """Where a process may be killed that publishes a row: all is written but the header."""
        with self.arena.locked() as header:
            place = self.arena._place(header.edition) + header.rows * self.arena.row_bytes
            os.pwrite(self.arena._vectors, values.tobytes()[: self.arena.row_bytes // 2], place)
            os.pwrite(self.arena._control, b"\x07\x00\x00\x00half", 4096 + header.ids)
            os.kill(os.getpid(), signal.SIGKILL)

    def die_with_half_an_edition(self) -> None:
        edition = self.arena.begin()
        self.arena.fill(edition, self.catalog.vectors[: len(self.catalog.item_ids) // 2])
        os.kill(os.getpid(), signal.SIGKILL)


class Other:
    """A process of its own with a catalog: `other.put("a", 1.0)` does there what Holder does."""

    def __init__(self, files: tuple[int, int], dim: int) -> None:
        self._ours, theirs = FORK.Pipe()
        self.process = FORK.Process(target=self._serve, args=(theirs, files, dim), daemon=True)
        self.process.start()
        theirs.close()
        self._hear()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.tell(name, *arguments)
            return self._hear()

        return call

    def tell(self, name: str, *arguments: Any) -> None:
        """Without waiting for an answer."""
        self._ours.send((name, arguments))

    def end(self) -> None:
        """At once."""
        self.process.kill()
        self.process.join()

    def _hear(self) -> Any:
        answer = self._ours.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _serve(self, line: Any, files: tuple[int, int], dim: int) -> None:
        self._ours.close()
        try:
            holder = Holder(files, dim)
            line.send(None)
        except Exception as error:
            line.send(error)
            return
        while True:
            name, arguments = line.recv()
            line.send(getattr(holder, name)(*arguments))


class Group:
    """Processes that share: `group()` is a further one."""

    def __init__(self, dim: int) -> None:
        self._dim, self._started = dim, list[Other]()
        self.control, self.vectors = make()

    def __call__(self, dim: int | None = None) -> Other:
        self._started.append(Other((self.control, self.vectors), dim or self._dim))
        return self._started[-1]

    def held(self) -> int:
        """Bytes of vectors in memory, of all editions; a copy of a process's own not counted."""
        return 512 * os.fstat(self.vectors).st_blocks

    def end(self) -> None:
        """All of them, at once."""
        for one in self._started:
            one.end()
        os.close(self.control)
        os.close(self.vectors)


@contextmanager
def others(dim: int) -> Iterator[Group]:
    """A group that is gone behind the block."""
    group = Group(dim)
    try:
        yield group
    finally:
        group.end()
