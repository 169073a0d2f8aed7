"""What the process keeps of memory that nothing uses any more, and how the system gets it back (glibc; else no effect).

glibc gives threads heaps of their own ("arenas"), up to eight for each core, and none gives back what is free in its
middle. A recovery reads with a new client, whose threads are new, so that each recovery can leave the peak of its
reading behind in another arena, for ever. Few arenas are used again, and what is free is handed back at once.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from typing import Any

from streams.ops.apart import apart

# Enough that the threads that fetch, publish, and own the states seldom wait for one another.
ARENAS = 4
SET_BY_HAND = frozenset({"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"})
# What a heap may keep at its end, and from what size on memory is not of a heap, bytes. By itself glibc raises both up
# to 64 and 32 MiB, by the largest that was ever freed. A batch needs less than this; a bulk read may feel it once.
KEPT, LARGE = 16 << 20, 8 << 20
# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# From the end of a recovery until the client that it read with has ended, whose buffers are the most of it.
AFTER_S = 3.0


def limit() -> bool:
    """Let threads share a few heaps, and a heap keep little; true where that was done.

    Of use only where the process has started few threads yet: glibc asks for it once. Whoever set it by the
    environment knows better.
    """
    libc = _glibc()
    if libc is None or not SET_BY_HAND.isdisjoint(os.environ):
        return False
    limits = (M_ARENA_MAX, ARENAS), (M_TRIM_THRESHOLD, KEPT), (M_MMAP_THRESHOLD, LARGE)
    return all(libc.mallopt(*one) for one in limits)


def give_back() -> bool:
    """Hand free pages back to the system, wherever in the heaps they lie; true where some were."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))


class Heap:
    """Of one worker: cleared behind each recovery. On the event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[bool]] = set()

    def recovered(self) -> None:
        """A recovery has ended, well or not: clear what it left, at once and when its client has ended."""
        # States that were dropped, and what an abandoned recovery has read, hang in cycles of futures and frames.
        # By itself Python looks for them after some millions of new objects (see `spared_collector`).
        gc.collect()
        # Not once for several: where one rebalance follows another, it would never come.
        asyncio.get_running_loop().call_later(AFTER_S, self._give_back)

    def _give_back(self) -> None:
        # It takes the heaps' locks in turn and may take milliseconds: not on the loop.
        task = asyncio.ensure_future(apart(give_back))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _glibc() -> Any:
    """The C library, None where it is another."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
