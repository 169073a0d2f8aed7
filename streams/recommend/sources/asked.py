"""What all sources want to know of one user, computed once where they ask about the same one in turn."""

from __future__ import annotations

import numpy as np

from streams.recommend.base import Mask, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.reading import banned, newest_items


class Asked:
    """Sources that share it compute nothing of it twice. Queries and what they hold must not change."""

    def __init__(self) -> None:
        self._newest: tuple[Queries, Rows] | None = None
        # Whose mask it is, and of which content of the catalog.
        self._of: tuple[Queries, int] | None = None
        self._catalog: tuple[Catalog, int, int] | None = None
        self._banned: Mask = np.zeros(0, dtype=np.bool_)
        self._excluded: Rows = np.zeros(0, dtype=np.int32)

    def newest(self, queries: Queries, most: int) -> Rows:
        """See `newest_items`."""
        wide = min(most, queries.history_rows.shape[1])
        if self._newest is None or self._newest[0] is not queries or self._newest[1].shape[1] < wide:
            self._newest = queries, newest_items(queries, most)
        return self._newest[1][:, :wide]

    def banned(self, catalog: Catalog, queries: Queries, user: int) -> Mask:
        """See `banned`.

        Good until the next call. Costs as much as the user excludes, and the whole catalog only where that changed.
        """
        of, content, out = self._of, (catalog, catalog.changes, catalog.removals), queries.exclude[user]
        if self._catalog is None or self._catalog[0] is not catalog or self._catalog[1:] != content[1:]:
            self._catalog, self._banned = content, banned(catalog, queries, user)
        elif of is not None and of[0] is queries and of[1] == user:
            return self._banned
        else:
            self._banned[self._excluded] = ~catalog.live[self._excluded]
        self._of, self._excluded = (queries, user), np.fromiter(out, dtype=np.int32, count=len(out))
        self._banned[self._excluded] = True
        return self._banned
