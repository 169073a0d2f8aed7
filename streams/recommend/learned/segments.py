"""In which situation a request is made: how long ago the user's last event was, and how many events are known."""

from __future__ import annotations

import numpy as np

from streams.kernels.compiling import compiled
from streams.kernels.requests import histories
from streams.recommend.base import Longs, Queries

MINUTE = 60_000
# A gap of at least so many milliseconds belongs to the next class; likewise a number of events.
GAPS, LENGTHS = (MINUTE, 60 * MINUTE, 2 * 24 * 60 * MINUTE), (5, 20)
GAP_NAMES, LENGTH_NAMES = ("<1m", "<1h", "<2d", "2d+"), ("0-4", "5-19", "20+")
LIMITS_OF_GAPS, LIMITS_OF_LENGTHS = np.array(GAPS), np.array(LENGTHS)
NO_MOMENTS: Longs = np.zeros(0, dtype=np.int64)
NO_TIMES: Longs = np.zeros((0, 0), dtype=np.int64)
# As `<1m, 0-4 events`, by number.
NAMES = tuple(f"{gap}, {length} events" for gap in GAP_NAMES for length in LENGTH_NAMES)


def segments(queries: Queries) -> Longs:
    """(U,) the number of each query's segment: an index into NAMES.

    The gap is below a minute where the moment or the events' times are not known, as for one who was just active; a
    user without remembered events has the longest. The number of events is that of all of the user's events where
    their ordinals are known, and of those remembered otherwise.
    """
    if compiled():
        return _compiled(queries)
    known = queries.history_rows >= 0
    gaps = np.zeros(len(queries), dtype=np.int64)
    if queries.as_of is not None and queries.history_times is not None and known.shape[1]:
        newest = np.where(known, queries.history_times, np.iinfo(np.int64).min).max(axis=1)
        some = known.any(axis=1)
        gaps = np.where(some, queries.as_of - np.where(some, newest, 0), GAPS[-1])
    counts = known.sum(axis=1)
    if queries.history_ordinals is not None and known.shape[1]:
        counts = np.maximum(counts, queries.history_ordinals.max(axis=1) + 1)
    by_gap = np.searchsorted(LIMITS_OF_GAPS, gaps, side="right")
    found: Longs = by_gap * len(LENGTH_NAMES) + np.searchsorted(LIMITS_OF_LENGTHS, counts, side="right")
    return found


def _compiled(queries: Queries) -> Longs:
    rows, found = queries.history_rows, np.empty(len(queries), dtype=np.int64)
    times, ordinals, moments = queries.history_times, queries.history_ordinals, queries.as_of
    if moments is None or times is None:
        moments, times = NO_MOMENTS, NO_TIMES
    known = rows, times, moments, NO_TIMES if ordinals is None else ordinals
    histories.segments(*known, LIMITS_OF_GAPS, LIMITS_OF_LENGTHS, found)
    return found
