"""Small streams of visits for the tests of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streams.catalog.items import Item
from streams.events.canonical import Event
from streams.history.evaluate.contender import Visit
from streams.history.evaluate.visits import Stream, middle

DAY_MS = 86_400_000


def visit(user: int, time: int, rows: Sequence[int], weights: Sequence[float] | None = None) -> Visit:
    signed = np.ones(len(rows), dtype=np.float32) if weights is None else np.array(weights, dtype=np.float32)
    values = np.full(len(rows), np.nan, dtype=np.float32)
    return Visit(user, time, np.array(rows, dtype=np.int64), signed, values, signed > 0)


def stream(visits: Sequence[Visit], items: int, half: int | None = None) -> Stream:
    users = max((one.user for one in visits), default=-1) + 1
    catalog = [Item(f"i{row}", title=f"thing {row}") for row in range(items)]
    return Stream(catalog, visits, users, middle(visits) if half is None else half)


def drawn(visits: int = 120, users: int = 6, items: int = 30, seed: int = 3) -> Stream:
    """Baskets of one to four items, several of one time, popular items more often."""
    draw = np.random.default_rng(seed)
    chances = 1 / np.arange(1, items + 1)
    made = [
        visit(
            int(draw.integers(users)) if number % 3 else number // 3 % users,
            DAY_MS * (number // 3),
            draw.choice(items, draw.integers(1, 5), replace=False, p=chances / chances.sum()).tolist(),
        )
        for number in range(visits)
    ]
    # One visit of a user at a time.
    distinct = {(one.time, one.user): one for one in made}
    return stream([distinct[key] for key in sorted(distinct)], items)


def with_events(one: Visit) -> Visit:
    """The visit with a purchase of each of its items."""
    return replace(one, events=[event(one.user, one.time, row) for row in one.rows.tolist()])


def event(user: int, time: int, row: int, action: str = "purchase") -> Event:
    stamp = 1_600_000_000_000 + time
    return Event(f"{user}-{time}-{row}", f"u{user}", action, stamp, item_id=f"i{row}", value=1.0)
