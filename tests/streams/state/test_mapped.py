"""Memory of states: taken as it is written to, and given back with them."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from streams.state.mapped import LARGE, zeros

MIB = 1 << 20


def resident() -> int:
    """MiB that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // MIB


@pytest.mark.parametrize(("rows", "size"), [(0, 8), (1, 1), (1024, 100), (LARGE // 64 + 1, 64)])
def test_they_are_zeroes_that_can_be_written(rows: int, size: int) -> None:
    made = zeros(rows, size)
    assert made.shape == (rows, size)
    assert made.dtype == np.uint8
    assert not made.any()
    made[:] = 7
    assert (made == 7).all()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("mib", [2, 24, 200])
def test_memory_comes_with_writing_and_goes_with_the_array(mib: int) -> None:
    others = []
    for _ in range(3):  # what was in use before must not be written over with zeros, nor be kept
        before = resident()
        made = zeros(mib * MIB // 64, 64)
        assert resident() - before <= 1
        made[:] = 1
        assert resident() - before >= mib - 1
        others.append(np.ones(1000))
        del made
        assert resident() - before <= 1
