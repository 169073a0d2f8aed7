"""Sets of offsets as intervals: millions of records, most of them neighbours, in a few numbers."""

from __future__ import annotations

from array import array

import numpy as np

from streams.interest.base import Longs

# Offsets taken in before they are sorted into the intervals; more where there are many intervals.
PENDING = 1 << 14
LOWEST, HIGHEST = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)


class OffsetSet:
    """A set of int64. 16 bytes per run of neighbours, and 8 per number that is not sorted in yet."""

    def __init__(self, starts: Longs | None = None, ends: Longs | None = None) -> None:
        """starts, ends: (n,) of disjoint half-open intervals in rising order; none by default."""
        nothing = np.zeros(0, dtype=np.int64)
        self._starts, self._ends = nothing if starts is None else starts, nothing if ends is None else ends
        self._pending = array("q")
        self._sorted = len(self)

    @classmethod
    def between(cls, begin: int, end: int) -> OffsetSet:
        """All from `begin` up to before `end`."""
        return cls(np.array([begin]), np.array([end])) if begin < end else cls()

    def add(self, offset: int) -> None:
        """Take one in, whether it is there already or not."""
        self._pending.append(offset)
        if len(self._pending) > max(PENDING, len(self._starts) // 4):
            self._settle()

    @property
    def added(self) -> int:
        """How many `add`s and initial members there were, repeats included."""
        return self._sorted + len(self._pending)

    def __len__(self) -> int:
        starts, ends = self.intervals()
        return int((ends - starts).sum())

    def __sub__(self, other: OffsetSet) -> OffsetSet:
        starts, ends = other.intervals()
        return self._and(np.append(LOWEST, ends), np.append(starts, HIGHEST))

    def __and__(self, other: OffsetSet) -> OffsetSet:
        return self._and(*other.intervals())

    def __or__(self, other: OffsetSet) -> OffsetSet:
        (starts, ends), (more_starts, more_ends) = self.intervals(), other.intervals()
        return OffsetSet(*_merged(np.append(starts, more_starts), np.append(ends, more_ends)))

    def within(self, begin: int, end: int) -> OffsetSet:
        """Those from `begin` up to before `end`."""
        return self & OffsetSet.between(begin, end)

    def over(self, divisor: int) -> OffsetSet:
        """The set of each member divided by a positive number, rounded down."""
        starts, ends = self.intervals()
        return OffsetSet(*_merged(starts // divisor, (ends - 1) // divisor + 1))

    def intervals(self) -> tuple[Longs, Longs]:
        """(n,) starts and (n,) ends of the disjoint half-open intervals, in rising order, none beside another."""
        self._settle()
        return self._starts, self._ends

    def _settle(self) -> None:
        if self._pending:
            self._sorted += len(self._pending)
            given = np.unique(np.frombuffer(self._pending, dtype=np.int64))
            starts, ends = np.append(self._starts, given), np.append(self._ends, given + 1)
            self._pending = array("q")
            self._starts, self._ends = _merged(starts, ends)

    def _and(self, starts: Longs, ends: Longs) -> OffsetSet:
        own_starts, own_ends = self.intervals()
        first = np.searchsorted(ends, own_starts, side="right")
        count = np.maximum(np.searchsorted(starts, own_ends, side="left") - first, 0)
        own = np.repeat(np.arange(len(count)), count)
        other = np.arange(len(own)) - np.repeat(np.cumsum(count) - count - first, count)
        begins, stops = np.maximum(own_starts[own], starts[other]), np.minimum(own_ends[own], ends[other])
        return OffsetSet(begins[begins < stops], stops[begins < stops])


def _merged(starts: Longs, ends: Longs) -> tuple[Longs, Longs]:
    """Intervals in any order, as disjoint ones in rising order."""
    order = np.argsort(starts, kind="stable")
    starts, furthest = starts[order], np.maximum.accumulate(ends[order])
    begins = np.append(True, starts[1:] > furthest[:-1])[: len(starts)]
    stops = np.append(begins[1:], True)[: len(starts)]
    return starts[begins], furthest[stops]


def ranges_text(offsets: OffsetSet, most: int = 5) -> str:
    """The first ranges in words: `3, 7 to 9 and 12 more offsets`."""
    starts, ends = offsets.intervals()
    texts = [
        f"{start:,}" if end == start + 1 else f"{start:,} to {end - 1:,}"
        for start, end in zip(starts[:most].tolist(), ends[:most].tolist(), strict=True)
    ]
    left = int((ends[most:] - starts[most:]).sum())
    return ", ".join(texts) + (f" and {left:,} more" if left else "")
