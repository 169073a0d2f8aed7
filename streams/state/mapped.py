"""Arrays whose memory the system gives page by page as they are written, and takes back when they are dropped.

`np.zeros` promises neither. Up to 32 MiB it may reuse memory, and then writes zeros over all of it. And after a large
array is freed, glibc keeps up to twice its size in each heap from then on.
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
