"""Arrays of memory that the system gives only as it is written to, and has back when the array is dropped.

`np.zeros` promises neither: of up to 32 MiB it may be memory that was in use before, which is all written over with
zeros; and a large one that is freed teaches glibc to keep up to twice as much in each of its heaps from then on.
"""

from __future__ import annotations

import mmap

import numpy as np

from streams.state.layout import Rows

# As numpy does: from here on large pages save more than they waste.
LARGE = 4 << 20


def zeros(rows: int, size: int) -> Rows:
    """Zeroes (rows, size); raises OSError where there is no room for so many."""
    count = rows * size
    if not count:
        return np.zeros((rows, size), dtype=np.uint8)
    # Private: memory shared with forked processes would be in a file of the system's.
    kind = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    memory = mmap.mmap(-1, count, **kind)
    if count >= LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype=np.uint8).reshape(rows, size)
