"""The best rows by score, among those that may be shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.contender import Rows
from streams.kernels.compiling import kernel

Scores = npt.NDArray[np.float64]
SomeRows = npt.NDArray[np.integer[Any]]


@kernel("f8:C1 f8:C1 b1:C1 i8:C1!")
def _best(scores: Any, ties: Any, allowed: Any, found: Any) -> int:
    """Write the best allowed rows, best first; return how many there are. Of equals the lower row comes first."""
    most, count = len(found), 0
    for row in range(len(scores)):
        if not allowed[row]:
            continue
        score, tie = scores[row], ties[row]
        if count == most:
            last = found[most - 1]
            if not (score > scores[last] or (score == scores[last] and tie > ties[last])):
                continue
        else:
            count += 1
        at = count - 1
        while at > 0:
            above = found[at - 1]
            if not (score > scores[above] or (score == scores[above] and tie > ties[above])):
                break
            found[at] = above
            at -= 1
        found[at] = row
    return count


class Shelf:
    """Which rows may be ranked: those seen in an earlier visit."""

    def __init__(self, items: int) -> None:
        self._seen = np.zeros(items, dtype=np.bool_)

    def see(self, rows: SomeRows) -> None:
        """From now on these may be ranked."""
        self._seen[rows] = True

    def rows(self) -> Rows:
        """(n,) all rows seen, rising."""
        return np.flatnonzero(self._seen)

    def best(self, scores: Scores, ties: Scores, exclude: SomeRows, k: int) -> Rows:
        """The k best rows, fewer where fewer may be shown.

        scores: (items,) no NaN; equal ones are ordered by `ties` (items,), then by row. exclude: rows to leave out.
        """
        found = np.zeros(k, dtype=np.int64)
        before = self._seen[exclude]
        self._seen[exclude] = False
        count = _best(scores, ties, self._seen, found) if k else 0
        self._seen[exclude] = before
        return found[:count]
