"""Which rows of a catalog changed, for whoever keeps something made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class Changes:
    """Rows of one catalog that changed since they were taken last: put, hidden or removed; at first all."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        """item_ids: of the catalog, as it grows."""
        self._item_ids, self._rows = item_ids, set[int]()
        self._begun = False

    def add(self, row: int) -> None:
        """This row changed."""
        if self._begun:
            self._rows.add(row)

    def __bool__(self) -> bool:
        """True where `take` gives some."""
        return bool(self._rows) or not self._begun

    def take(self) -> npt.NDArray[np.int32]:
        """(c,) each once, rising; they count as known from now on."""
        if not self._begun:
            self._begun = True
            return np.arange(len(self._item_ids), dtype=np.int32)
        found = np.fromiter(self._rows, dtype=np.int32, count=len(self._rows))
        self._rows.clear()
        return np.sort(found)
