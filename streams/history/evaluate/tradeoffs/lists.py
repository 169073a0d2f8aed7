"""What kind of lists a contender gives: how unlike the items of a list are, and which groups have its places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.catalog.items import Item
from streams.history.evaluate.contender import Floats, Mask, Rows
from streams.history.evaluate.marks import ratio
from streams.items.layout import COLD_BELOW
from streams.recommend.after.floors import COLD_ITEMS
from streams.recommend.gains import LONG, SHORT

DIVERSITY = f"diversity@{SHORT}"


class ListKinds:
    """Of one contender's lists, one after the other."""

    def __init__(
        self, items: Sequence[Item], vectors: Floats | None = None, groups: Sequence[str] = ()
    ) -> None:
        """items: the catalog. vectors: (items, dim), None where they are not known. groups: beside the cold items, as
        `categories:Drama`."""
        self._unit = None if vectors is None else _unit(vectors)
        self._groups = {group: _members(items, group) for group in groups if group != COLD_ITEMS}
        self._had = dict.fromkeys((COLD_ITEMS, *self._groups), 0)
        self._places = self._lists = 0
        self._unlike = 0.0

    def add(self, listed: Rows, uses: Rows) -> None:
        """A list (n,) of catalog rows. uses: (items,) of each item so far."""
        first = listed[:LONG]
        self._places += len(first)
        self._had[COLD_ITEMS] += int((uses[first] < COLD_BELOW).sum())
        for group, members in self._groups.items():
            self._had[group] += int(members[first].sum())
        if self._unit is not None and len(first) > 1:
            self._lists += 1
            self._unlike += 1.0 - _likeness(self._unit[first[:SHORT]])

    def figures(self) -> dict[str, float]:
        """Mean of 1 - cosine over the pairs of a list's first ten; share of the first 20 places by group."""
        shares = {f"share of {group}": ratio(had, self._places) for group, had in self._had.items()}
        return {DIVERSITY: ratio(self._unlike, self._lists), **shares}


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _likeness(unit: Floats) -> float:
    """Mean cosine of the pairs of rows (n, dim), two at least."""
    products, n = unit @ unit.T, len(unit)
    return float((products.sum() - np.trace(products)) / (n * (n - 1)))


def _members(items: Sequence[Item], group: str) -> Mask:
    name, _, value = group.partition(":")
    return np.array([value in item.labels().get(name, ()) for item in items], dtype=np.bool_)
