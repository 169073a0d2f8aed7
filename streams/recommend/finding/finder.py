"""What every source is that is asked about one user at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from streams.recommend.base import Candidates, Floats, Queries, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.sources.reading import candidates, each_once, said_of


class Finder(ABC):
    """Finds candidates, and writes scores of any items where it is told to, so that neither is copied.

    names: of its scores.
    """

    names: tuple[str, ...]

    @abstractmethod
    def find(self, catalog: Catalog, queries: Queries, user: int, k: int) -> Rows:
        """The user's candidates (c,), see `CandidateSource.candidates`, in the order of this source, each once or more;
        perhaps -1 between them."""

    @abstractmethod
    def tell(self, catalog: Catalog, queries: Queries, user: int, rows: Rows, said: Floats) -> None:
        """Write its scores (names, c) of these rows (c,) for the user; NaN where it says nothing."""

    def candidates(self, catalog: Catalog, queries: Queries, k: int) -> Candidates:
        """See `CandidateSource.candidates`; scores under `names`."""
        found = []
        for user in range(len(queries)):
            rows = each_once(self.find(catalog, queries, user, k))[0]
            rows = rows[rows >= 0]
            said = np.empty((len(self.names), len(rows)), dtype=np.float32)
            self.tell(catalog, queries, user, rows, said)
            found.append((rows, said))
        return candidates(found, self.names)

    def scores(self, catalog: Catalog, queries: Queries, rows: Rows) -> Mapping[str, Floats]:
        """See `recommend.base.Scorer`."""
        said = np.empty((len(self.names), *rows.shape), dtype=np.float32)
        for user, own in enumerate(rows):
            there = own >= 0
            told = np.empty((len(self.names), int(there.sum())), dtype=np.float32)
            self.tell(catalog, queries, user, own[there], told)
            said[:, user, there] = told
        return said_of(rows, self.names, said)
