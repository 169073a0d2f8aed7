"""The resident set of a process over time: samples, what is typical of a while, and how fast it grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import psutil

MIB = 1 << 20
# What a worker logs behind each recovery, in part.
RECOVERED = b" users of partitions "
# Of the normal distribution, two-sided: of 20 samples or more Student's is not far from it.
Z_95 = 1.96
FEWEST = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """Of a worker. at: seconds since the begin. recoveries: of it so far. mib: its resident set."""

    at: float
    recoveries: int
    mib: float
    threads: int
    files: int


@dataclass(slots=True)
class Watch:
    """Samples of one worker, as long as it is the same process."""

    pid: int
    log: Path
    samples: list[Sample] = field(default_factory=list)

    def look(self, at: float) -> None:
        """Add a sample; nothing where the process has ended."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            used = process.memory_info().rss / MIB
            self.samples.append(Sample(at, self.recoveries, used, process.num_threads(), process.num_fds()))

    @property
    def recoveries(self) -> int:
        """How often it has said that it has recovered its partitions."""
        return self.log.read_bytes().count(RECOVERED)

    def typical(self, first: int, last: int) -> float:
        """Median MiB from one number of recoveries up to another. Raises StatisticsError where there was none."""
        return median(one.mib for one in self.samples if first <= one.recoveries <= last)


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per unit of x, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Least squares of y (n,) over x (n,). Raises ValueError for fewer than FEWEST samples.

    Neighbours among the residuals that are alike count as fewer samples: n (1 - r) / (1 + r), with r their
    correlation at lag 1, no less than 0.
    """
    if len(x) < FEWEST:
        raise ValueError(f"{len(x)} samples say nothing of a slope: at least {FEWEST} are needed")
    at, of = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    at = at - at.mean()
    spread = float(at @ at)
    value = float(at @ of) / spread
    left = of - of.mean() - value * at
    squares = float(left @ left)
    alike = max(0.0, float(left[1:] @ left[:-1]) / squares) if squares else 0.0
    # Degrees of freedom of so many that are not alike.
    free = max(1.0, len(x) * (1 - alike) / (1 + alike) - 2)
    error = Z_95 * math.sqrt(squares / free / spread)
    return Slope(value, value - error, value + error)
