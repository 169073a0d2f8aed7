"""What all sources want to know of one user, computed once where they ask about the same one in turn."""

from __future__ import annotations

import numpy as np

from streams.recommend.base import Floats, Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.reading import banned, newest_items, use_weights


class Asked:
    """Sources that share it compute nothing of it twice. Queries and what they hold must not change."""

    def __init__(self) -> None:
        self._newest: tuple[Queries, Rows] | None = None
        self._weights: tuple[Queries, Floats] | None = None
        self._items: tuple[Queries, int, int, Rows] | None = None
        # Whose mask it is, and of which content of the catalog.
        self._of: tuple[Queries, int] | None = None
        self._catalog: Catalog | None = None
        self._content = 0, 0
        self._banned: Mask = np.zeros(0, dtype=np.bool_)
        self._excluded: Rows = np.zeros(0, dtype=np.int32)

    def newest(self, queries: Queries, most: int) -> Rows:
        """See `newest_items`."""
        wide = min(most, queries.history_rows.shape[1])
        if self._newest is None or self._newest[0] is not queries or self._newest[1].shape[1] < wide:
            self._newest = queries, newest_items(queries, most)
        return self._newest[1][:, :wide]

    def items(self, queries: Queries, user: int, most: int) -> Rows:
        """(h,) at most so many of the user's items, the newest first; see `newest_items`."""
        known = self._items
        if known is None or known[0] is not queries or known[1] != user or known[2] < most:
            newest = self.newest(queries, most)[user]
            known = self._items = queries, user, most, newest[newest >= 0]
        return known[3][:most]

    def weights(self, queries: Queries) -> Floats:
        """See `use_weights`."""
        if self._weights is None or self._weights[0] is not queries:
            self._weights = queries, use_weights(queries)
        return self._weights[1]

    def banned(self, catalog: Catalog, queries: Queries, user: int) -> Mask:
        """See `banned`.

        Good until the next call. Costs as much as the user excludes, and the whole catalog only where that changed.
        """
        content, of = (catalog.changes, catalog.removals), self._of
        if self._catalog is not catalog or self._content != content:
            self._catalog, self._content = catalog, content
            self._banned = banned(catalog, queries, user)
        elif of is not None and of[0] is queries and of[1] == user:
            return self._banned
        else:
            self._banned[self._excluded] = ~catalog.live[self._excluded]
        out = queries.exclude[user]
        self._of, self._excluded = (queries, user), np.fromiter(out, dtype=np.int32, count=len(out))
        self._banned[self._excluded] = True
        return self._banned
