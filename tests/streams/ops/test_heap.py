"""Memory that nothing uses any more goes back to the system, and threads share few heaps."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pytest

from streams.ops import heap

MUCH, LITTLE = 40, 10
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these heaps")

# 64 MiB in pieces that glibc takes from its heap, of which a few stay in use among those that are free.
SCATTERED = """
import gc, sys
from streams.ops import heap

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

pieces = [bytearray(32_000) for _ in range(2_000)]
kept = pieces[::100]
del pieces
before = resident()
if "trim" in sys.argv:
    assert heap.give_back()
print(before - resident())
"""

# As many threads as there may be, each with a heap of its own where it may have one; then the heaps are counted.
THREADS = """
import ctypes, os, sys, threading
from streams.ops import heap

if "limit" in sys.argv:
    print(heap.limit())
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
begin = threading.Barrier(12)

def work():
    begin.wait()
    assert libc.malloc(100_000)
    begin.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads: one.start()
for one in threads: one.join()
read, write = os.pipe()
libc.fdopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fdopen(write, b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
told = b""
while part := os.read(read, 65_536):
    told += part
print(told.count(b"<heap nr="))
"""


def answer(script: str, *arguments: str, **environment: str) -> list[str]:
    """What a process of its own prints, by line."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


def test_free_pages_go_back_from_the_middle_of_a_heap() -> None:
    assert int(answer(SCATTERED, "trim")[0]) > MUCH
    assert int(answer(SCATTERED)[0]) < LITTLE, "they would go back by themselves"


def test_threads_share_heaps() -> None:
    told, heaps = answer(THREADS, "limit")
    assert told == "True"
    assert int(heaps) <= heap.ARENAS < int(answer(THREADS)[0])


@pytest.mark.parametrize("name", sorted(heap.SET_BY_HAND))
def test_who_set_the_heaps_by_hand_knows_better(name: str) -> None:
    value = {"MALLOC_ARENA_MAX": "7", "GLIBC_TUNABLES": "glibc.malloc.arena_max=7"}[name]
    assert answer(THREADS, "limit", **{name: value}) == ["False", "7"]


class Held:
    """What hangs in a cycle."""

    def __init__(self) -> None:
        self.cycle = self


def test_each_recovery_is_cleared_up_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    gave_back = threading.Semaphore(0)
    monkeypatch.setattr(heap, "AFTER_S", 0.01)
    monkeypatch.setattr(heap, "give_back", lambda: gave_back.release() or True)

    async def two_recoveries() -> None:
        cleared = heap.Heap()
        gc.disable()
        try:
            dropped = weakref.ref(Held())
            assert dropped() is not None
            cleared.recovered()
            assert dropped() is None
            cleared.recovered()
        finally:
            gc.enable()
        for _ in range(2):
            assert await asyncio.to_thread(gave_back.acquire, timeout=10), "free pages were not given back"

    asyncio.run(two_recoveries())
