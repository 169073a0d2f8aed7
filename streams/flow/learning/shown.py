"""What users were shown lately without using it. It is in memory alone: a restart or a rebalance forgets it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streams.interest.base import Longs
from streams.recommend import Queries
from streams.recommend.base import Floats, Rows


@dataclass(slots=True)
class _Seen:
    """Of one user. time: milliseconds. rows, counts: (n,) the items, and how often each was shown, as of that time."""

    time: int
    rows: Rows
    counts: Floats


class Shown:
    """Of one flow. Not thread-safe: whoever recommends and folds tells it."""

    def __init__(self, users: int, items: int, half_life_s: float) -> None:
        """users, items: so many users are remembered, the longest unseen goes first, with so many items of each.

        half_life_s: seconds of event time in which having been shown counts half.
        """
        self._users, self._items, self._half_life = users, items, 1000.0 * half_life_s
        # By partition and user.
        self._seen: OrderedDict[tuple[int, str], _Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def tell(self, partition: int, users: Sequence[str], queries: Queries) -> Queries:
        """The same queries (U), which say what their users were shown. They know the moment for which they ask."""
        rows = np.full((len(users), self._items), -1, dtype=np.int32)
        counts = np.zeros(rows.shape, dtype=np.float32)
        for at, (user, now) in enumerate(zip(users, _moments(queries), strict=True)):
            if (seen := self._seen.get((partition, user))) is not None:
                n = len(seen.rows)
                rows[at, :n], counts[at, :n] = seen.rows, self._decayed(seen, now)
        return replace(queries, shown_rows=rows, shown_counts=counts)

    def listed(self, partition: int, users: Sequence[str], queries: Queries, rows: Rows) -> None:
        """Users were shown their lists. queries: what was asked for them (U). rows: (U, k), -1 for none."""
        for user, now, listed in zip(users, _moments(queries), rows, strict=True):
            key = partition, user
            self._seen[key] = self._with(self._seen.get(key), now, listed[listed >= 0][: self._items])
            self._seen.move_to_end(key)
        while len(self._seen) > self._users:
            self._seen.popitem(last=False)

    def used(self, partition: int, used: Mapping[str, Collection[int]]) -> None:
        """What users used, as catalog rows, counts as never shown."""
        for user, own in used.items():
            if (seen := self._seen.get((partition, user))) is not None:
                kept = ~np.isin(seen.rows, list(own))
                seen.rows, seen.counts = seen.rows[kept], seen.counts[kept]

    def _with(self, seen: _Seen | None, now: int, listed: Rows) -> _Seen:
        """With a list more; where there are too many items, those shown least and longest ago go."""
        ones = np.ones(len(listed), dtype=np.float32)
        if seen is None:
            return _Seen(now, listed.copy(), ones)
        before = dict(zip(seen.rows.tolist(), self._decayed(seen, now).tolist(), strict=True))
        ones += np.array([before.pop(row, 0.0) for row in listed.tolist()], dtype=np.float32)
        left = np.fromiter(before, dtype=np.int32, count=len(before))
        counts = np.fromiter(before.values(), dtype=np.float32, count=len(before))
        order = np.argsort(-counts, kind="stable")[: self._items - len(listed)]
        rows = np.concatenate((listed, left[order]))
        return _Seen(max(now, seen.time), rows, np.concatenate((ones, counts[order])))

    def _decayed(self, seen: _Seen, now: int) -> Floats:
        faded: Floats = seen.counts * np.float32(2.0 ** (-max(now - seen.time, 0) / self._half_life))
        return faded


def _moments(queries: Queries) -> list[int]:
    if queries.as_of is None:
        raise ValueError("to remember what was shown, queries must say for which moment they ask")
    moments: Longs = queries.as_of
    return [int(moment) for moment in moments]
