"""What is kept of an item: one row of fixed size, about 3 KB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.events.rejections import LATEST_MS

States = npt.NDArray[np.void]

# An item with fewer uses is cold.
COLD_BELOW = 3

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# A user's events of one such span of UTC make one session.
SESSION_MS = DAY_MS
# Of the decayed sums of uses, milliseconds: what is new needs minutes, what lasts needs months.
HALF_LIVES_MS = (10 * MINUTE_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS)
# Of the weights in `recent`, milliseconds.
RECENT_HALF_LIFE_MS = 90 * DAY_MS
# In each of the two lists of neighbours, and in the ring of sessions.
NEIGHBOURS, SESSIONS = 100, 64
# Weights in `recent` are as of the begin of a block of so many half-lives. From block to block they are multiplied
# by a power of two, which loses no bit; within one they cannot overflow.
BLOCK_HALF_LIVES = 16
BLOCK_MS = BLOCK_HALF_LIVES * RECENT_HALF_LIFE_MS

# Keys are `item_key`s; 0 for none. All times: milliseconds since the epoch, of events.
ITEM_DTYPE = np.dtype(
    [
        ("newest", "<i8"),  # time of the newest use; 0 before the first
        ("first", "<i8"),  # time of the earliest use
        ("uses", "<i8"),
        ("pairs", "<i8"),  # signals of a pair, taken in so far
        ("sums", "<f8", (len(HALF_LIVES_MS),)),  # weights of the uses, decayed to `newest`
        ("block", "<i4"),  # begin of the weights in `recent`, in BLOCK_MS since the epoch
        ("neighbours", "<i4"),  # in either list, from the first place on
        ("sessions_count", "<i8"),  # sessions entered so far; the next one's slot is this modulo SESSIONS
        ("lasting", "<u8", (NEIGHBOURS,)),  # sums of weights as they came, admitted by chance
        ("recent", "<u8", (NEIGHBOURS,)),  # decayed sums of weights, of which the smallest goes
        ("sessions", "<u8", (SESSIONS,)),  # ring
        ("lasting_weights", "<f4", (NEIGHBOURS,)),
        ("recent_weights", "<f4", (NEIGHBOURS,)),
    ]
)


def empty(items: int) -> States:
    """(items,) states of which nothing is known."""
    return np.zeros(items, dtype=ITEM_DTYPE)


def sound(states: States) -> npt.NDArray[np.bool_]:
    """(n,) true for the states that can have come of signals: all numbers are finite, none is below 0 that only grows.

    The kernels read and write without looking, so others must not come to them.
    """
    found: npt.NDArray[np.bool_] = (states["neighbours"] >= 0) & (states["neighbours"] <= NEIGHBOURS)
    for name in ("newest", "uses", "pairs", "sessions_count"):
        found &= states[name] >= 0
    found &= states["newest"] <= LATEST_MS
    for name in ("sums", "lasting_weights", "recent_weights"):
        found &= ((states[name] >= 0) & (states[name] < np.inf)).all(axis=1)
    return found
