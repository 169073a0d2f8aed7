"""What users passed over, as a lesson for the recommender: with the question as it was when their list was made.

Lists are kept in memory alone. A crash loses them, and so some lessons; the counts do not depend on them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from streams.flow.feedback.impressions import Joined
from streams.flow.learning.next_uses import NextUses
from streams.kernels.rings import IGNORED, SHOWN
from streams.recommend import Catalog, Queries
from streams.recommend.abilities import LearnsIgnored
from streams.state.users.partition import UserPartition

# Partition, user, and the offset of the state that the list was made of.
Key = tuple[int, str, int]


@dataclass
class ShownLists:
    """Of one flow. most: lists that are kept; the oldest goes first. weight: see `LearnsIgnored`."""

    learner: LearnsIgnored
    uses: NextUses
    catalog: Catalog
    most: int
    weight: float
    _queries: OrderedDict[Key, Queries] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._queries)

    def hear(self, part: UserPartition, joined: Joined) -> None:
        """What became of impressions in a batch, before the batch's uses are told to `uses`."""
        ignored: dict[Key, list[int]] = {}
        shown = joined.impressions
        columns = joined.outcomes, joined.rows, shown["list"], shown["item"]
        for outcome, user, offset, item in zip(*(column.tolist() for column in columns), strict=True):
            key = part.partition, part.users[user], offset
            if outcome == SHOWN:
                self._keep(key)
            elif outcome == IGNORED and key in self._queries:
                row = self.catalog.row_of_key.get(item)
                ignored.setdefault(key, []).extend([] if row is None else [row])
        for key, rows in ignored.items():
            self.learner.ignore(self.catalog, self._queries[key], [rows], self.weight)

    def _keep(self, key: Key) -> None:
        query = self._queries.get(key) or self.uses.query_of(*key)
        if query is not None:
            self._queries[key] = query
            self._queries.move_to_end(key)
            if len(self._queries) > self.most:
                self._queries.popitem(last=False)
