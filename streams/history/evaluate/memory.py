"""What the judge itself remembers of the visits so far: it decides what may be named, and what is cold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from streams.catalog.items import Item
from streams.history.evaluate.contender import Mask, Rows, Visit

NOTHING: Rows = np.zeros(0, dtype=np.int64)


class Memory:
    """Uses of items and users. uses: (items,) number of visits that held the item. total: their sum.

    known: items with a use. events: of each user so far. categories: (items, C) the shares of an item's categories,
    each row with a sum of 1 or 0; C is 0 where the catalog has none.
    """

    def __init__(self, items: Sequence[Item], users: int) -> None:
        """items: the catalog, one per row. users: how many there will be."""
        self.uses = np.zeros(len(items), dtype=np.int64)
        self.events = [0] * users
        self.total = self.known = 0
        self.categories = category_shares(items)
        self._used: list[Rows] = [NOTHING] * users
        # The same as sets: to look a few items up there is far quicker than numpy's `isin`.
        self._sets: list[set[int]] = [set() for _ in range(users)]
        self._tastes = np.zeros((users, self.categories.shape[1]))

    def used(self, user: int) -> Rows:
        """The catalog rows that the user has used, whatever the weight, each once."""
        return self._used[user]

    def is_new(self, user: int, rows: Rows) -> Mask:
        """(n,) true for each of `rows` (n,) that the user has not used."""
        used = self._sets[user]
        return np.fromiter((row not in used for row in rows.tolist()), dtype=bool, count=len(rows))

    def has_used(self, user: int, rows: Iterable[int]) -> bool:
        """True where the user has used any of them."""
        return not self._sets[user].isdisjoint(rows)

    def taste(self, user: int) -> npt.NDArray[np.float64]:
        """(C,) sum of the category shares of what the user has used."""
        taste: npt.NDArray[np.float64] = self._tastes[user]
        return taste

    def learn(self, visit: Visit) -> None:
        """Take in a visit."""
        rows, user = visit.rows, visit.user
        self.known += int((self.uses[rows] == 0).sum())
        self.uses[rows] += 1
        self.total += len(rows)
        self.events[user] += len(visit.events) or len(rows)
        new = rows[self.is_new(user, rows)]
        if len(new):
            self._used[user] = np.concatenate([self._used[user], new])
            self._sets[user].update(new.tolist())
        if self._tastes.shape[1]:
            self._tastes[user] += self.categories[rows].sum(axis=0)


def category_shares(items: Sequence[Item]) -> npt.NDArray[np.float64]:
    """(items, C) for C distinct categories, in the order of their names."""
    names = sorted({name for item in items for name in item.categories})
    number = {name: index for index, name in enumerate(names)}
    shares = np.zeros((len(items), len(names)))
    for row, item in enumerate(items):
        for name in set(item.categories):
            shares[row, number[name]] = 1 / len(set(item.categories))
    return shares
