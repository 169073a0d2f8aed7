"""Returns memory that the process has freed to the system (glibc; elsewhere without effect).

glibc gives threads heaps of their own ("arenas"), up to eight per core, and no arena returns free memory in its
middle. A recovery reads with a new client, whose threads are new, so each recovery could keep its peak of memory in
another arena for ever. So arenas are limited to a few, and free memory is returned after each recovery.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from typing import Any

from streams.ops.daemon_calls import call_on_daemon_thread

# Enough for the threads that fetch, publish and own the states seldom to wait for one another.
ARENAS = 4
SET_BY_HAND = frozenset({"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"})
# Bytes: free memory that a heap may keep at its end, and the size from which memory is mapped outside the heaps. By
# itself glibc raises both with the largest block ever freed, up to 64 and 32 MiB. A batch needs less than this.
KEPT, LARGE = 16 << 20, 8 << 20
# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# From the end of a recovery until its client has ended, whose buffers are most of the memory.
AFTER_S = 3.0


def limit() -> bool:
    """Let threads share a few heaps, and a heap keep little free memory; true where that was done.

    Call it before the process starts threads: glibc reads the limits once. Limits in the environment win.
    """
    libc = _glibc()
    if libc is None or not SET_BY_HAND.isdisjoint(os.environ):
        return False
    limits = (M_ARENA_MAX, ARENAS), (M_TRIM_THRESHOLD, KEPT), (M_MMAP_THRESHOLD, LARGE)
    return all(libc.mallopt(*one) for one in limits)


def give_back() -> bool:
    """Return free pages anywhere in the heaps to the system; true where there were some."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))


class Heap:
    """The heaps of one worker, trimmed after each recovery. On the event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[bool]] = set()

    def recovered(self) -> None:
        """A recovery has ended, well or not: collect garbage now, and return memory once its client has ended."""
        # Dropped states, and the records of an abandoned recovery, are held by cycles of futures and frames. By
        # itself Python collects these only after some millions of new objects (see `spared_collector`).
        gc.collect()
        # One call per recovery: a timer restarted by each rebalance might never fire.
        asyncio.get_running_loop().call_later(AFTER_S, self._give_back)

    def _give_back(self) -> None:
        # It locks the heaps in turn, which may take milliseconds: too long for the event loop.
        task = asyncio.ensure_future(call_on_daemon_thread(give_back))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _glibc() -> Any:
    """glibc, None where the C library is another."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
