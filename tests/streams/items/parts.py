"""Signals and catalogs of items for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streams.items.layout import SESSION_MS
from streams.items.signals import NO_KEY, ItemSignals, Keys, Longs

T0 = 1_700_000_000_000


@dataclass
class Items:
    """A catalog of nothing but keys."""

    known: list[int] = field(default_factory=list)

    @property
    def keys(self) -> Keys:
        return np.array(self.known, dtype=np.uint64)

    @property
    def row_of_key(self) -> dict[int, int]:
        return {key: row for row, key in enumerate(self.known)}


def signals_of(rows: list[tuple[int, int, float, int, int]]) -> ItemSignals:
    """rows: item, other, weight, time and session of each."""
    items, others, weights, times, sessions = zip(*rows, strict=True) if rows else ([], [], [], [], [])
    return ItemSignals(
        np.array(items, dtype=np.uint64),
        np.array(others, dtype=np.uint64),
        np.array(weights, dtype=np.float32),
        np.array(times, dtype=np.int64),
        np.array(sessions, dtype=np.uint64),
        np.arange(len(rows), dtype=np.int64),
    )


def drawn(
    seed: int, number: int, items: int, others: int, span: int = SESSION_MS
) -> tuple[ItemSignals, Longs]:
    """Signals of items 1 to `items`, of which one in four is a use; and the place of each one's item, from 0."""
    rng = np.random.default_rng(seed)
    positions = rng.integers(0, items, number)
    uses = rng.random(number) < 0.25
    signals = ItemSignals(
        (positions + 1).astype(np.uint64),
        np.where(uses, NO_KEY, rng.integers(1, others + 1, number)).astype(np.uint64),
        (rng.integers(1, 9, number) / 8).astype(np.float32),
        T0 + rng.integers(-span, span, number),
        np.where(uses, rng.integers(1, 100, number), NO_KEY).astype(np.uint64),
        np.arange(number, dtype=np.int64),
    )
    return signals, positions
