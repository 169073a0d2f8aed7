"""What users did after they were recommended to: first it judges the list that each had, then the recommender learns.

A list is kept until its user uses an item, and is then judged once. So the marks are of lists that had not learned of
what they are judged by (prequential evaluation).

All that a user uses at one event time is a visit: a basket is one answer to the list that its user had before it,
however many batches it comes in. So it is judged and learned when the partition's time goes on; lists that are made
within a visit teach nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streams.recommend import Catalog, Queries
from streams.recommend.abilities import Learner
from streams.recommend.base import Longs, Rows
from streams.recommend.gains import LONG, gain_of, ideal, places

# Of so many lists the means are, more or less: with each list, those before it lose one part of so many.
MEAN_OVER = 1000
# Of so many visits at once the end is waited for: of many users at one time, where times are days or so.
OPEN_VISITS = 256


class _Listed(NamedTuple):
    """The last list of a user. epoch: in which the partition was taken over. query: of this user alone.

    offset: of the state that it was made of.
    """

    epoch: int
    offset: int
    query: Queries
    rows: list[int]


@dataclass(slots=True)
class _Visit:
    """What a user used at one time. epoch: as of `_Listed`. listed: the list before it, if any. used: catalog rows."""

    epoch: int
    time: int
    listed: _Listed | None
    used: set[int]


class NextUses:
    """Of one flow. Not thread-safe: whoever recommends and folds tells it.

    judged: lists so far.
    """

    def __init__(self, learner: Learner, catalog: Catalog, most: int) -> None:
        """most: lists that are kept; the oldest goes first. Who has no list when acting teaches nothing."""
        self._learner, self._catalog, self._most = learner, catalog, most
        # By partition and user, the oldest first.
        self._lists: OrderedDict[tuple[int, str], _Listed] = OrderedDict()
        # By the same, those that may go on, the oldest first.
        self._visits: OrderedDict[tuple[int, str], _Visit] = OrderedDict()
        self.judged = 0
        self._weight = self._ndcg = self._hits = 0.0

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def ndcg(self) -> float | None:
        """Mean NDCG@10 of the last lists; None before the first was judged."""
        return self._ndcg / self._weight if self._weight else None

    @property
    def hit_rate(self) -> float | None:
        """Mean share of the last lists with an item in the first 20 that was used next; None before the first."""
        return self._hits / self._weight if self._weight else None

    def listed(
        self,
        partition: int,
        epoch: int,
        users: Sequence[str],
        queries: Queries,
        rows: Rows,
        offsets: Longs | None = None,
    ) -> None:
        """Users were recommended to. queries: what was asked for them (U). rows: (U, k) their lists, -1 for none.

        offsets: (U,) of the states, where lists are asked for by them.
        """
        known = [-1] * len(users) if offsets is None else offsets.tolist()
        for at, (user, row) in enumerate(zip(users, rows[:, :LONG].tolist(), strict=True)):
            key, shown = (partition, user), [item for item in row if item >= 0]
            self._lists[key] = _Listed(epoch, known[at], queries.only([at]), shown)
            self._lists.move_to_end(key)
        while len(self._lists) > self._most:
            self._lists.popitem(last=False)

    def query_of(self, partition: int, user: str, offset: int) -> Queries | None:
        """What was asked for a user's last list, if that was made of the state at this offset."""
        listed = self._lists.get((partition, user))
        return listed.query if listed is not None and listed.offset == offset else None

    def used(self, partition: int, epoch: int, used: Mapping[str, Mapping[int, int]]) -> None:
        """What users used in a batch: catalog rows with their event times, at least one each. Visits that are over are
        judged, then learned.

        A list that was made before the partition was taken over (another epoch) is dropped: more may have happened.
        """
        newest = max(max(own.values()) for own in used.values())
        rest = self._go_on(partition, epoch, used)
        over = self._ended(partition, epoch, newest)
        for user, own in rest.items():
            listed = self._lists.pop((partition, user), None)
            known = listed if listed is not None and listed.epoch == epoch else None
            if (time := max(own.values())) == newest:
                self._visits[partition, user] = _Visit(epoch, time, known, set(own))
            elif known is not None:
                over.append(_Visit(epoch, time, known, set(own)))
        while len(self._visits) > OPEN_VISITS:
            over.append(self._visits.popitem(last=False)[1])
        self._end(over)

    def _go_on(
        self, partition: int, epoch: int, used: Mapping[str, Mapping[int, int]]
    ) -> Mapping[str, Mapping[int, int]]:
        """Let what belongs to open visits be a part of them; returns the rest."""
        rest = dict(used)
        for (place, user), visit in self._visits.items():
            if place == partition and visit.epoch == epoch and user in used:
                own = rest.pop(user)
                visit.used |= {row for row, time in own.items() if time == visit.time}
                if others := {row: time for row, time in own.items() if time != visit.time}:
                    rest[user] = others
        return rest

    def _ended(self, partition: int, epoch: int, newest: int) -> list[_Visit]:
        """Open visits of the partition that are over: what goes on is of this epoch and of the newest time."""
        over = [
            key
            for key, visit in self._visits.items()
            if key[0] == partition and (visit.epoch, visit.time) != (epoch, newest)
        ]
        return [self._visits.pop(key) for key in over]

    def _end(self, visits: Sequence[_Visit]) -> None:
        asked, rows = list[Queries](), list[Collection[int]]()
        for visit in visits:
            if visit.listed is not None:
                self._judge(visit.listed, visit.used)
                asked.append(visit.listed.query)
                rows.append(visit.used)
        if asked:
            self._learner.learn(self._catalog, Queries.joined(asked), rows)

    def _judge(self, listed: _Listed, used: Collection[int]) -> None:
        """Mark a list. What it must not name does not count."""
        wanted = set(used).difference(listed.query.exclude[0])
        if not wanted:
            return
        found = places(listed.rows, wanted)
        kept = 1 - 1 / MEAN_OVER
        self._weight = kept * self._weight + 1
        self._ndcg = kept * self._ndcg + gain_of(found) / ideal(len(wanted))
        self._hits = kept * self._hits + bool(found)
        self.judged += 1
