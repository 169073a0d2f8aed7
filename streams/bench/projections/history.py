"""A data set as arrays: what users did, in event-time order, and which events to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from streams.bench.errors import BenchError
from streams.catalog.items import Item
from streams.datasets import Dataset, read_movielens, read_online_retail
from streams.events.canonical import Event
from streams.flow.signals import EventWeights
from streams.interest.base import Floats, Longs
from streams.settings.action_rules import DEFAULT_ACTIONS

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set: its folder, the action to predict, and whether users take an item twice."""

    name: str
    path: str
    read: Callable[[Path], Dataset]
    action: str
    repeats: bool


SOURCES = (
    Source("online-retail", "uci-online-retail/online_retail.csv.gz", read_online_retail, "purchase", True),
    Source("movielens", "ml-latest-small", read_movielens, "rate", False),
)


@dataclass(frozen=True, slots=True)
class History:
    """n events about known items, in event-time order; texts of the catalog's items, by row.

    users, rows (n,): numbers of user and item.
    times (n,): ms.
    weights (n,): signed, as the product weighs the events.
    wanted (n,): true for the action to predict.
    """

    source: Source
    texts: list[str]
    users: Longs
    rows: Longs
    times: Longs
    weights: Floats
    wanted: Bools


def history(source: Source, folder: Path, most: int | None = None, seed: int = 0) -> History:
    """Events without user, or about no item of the catalog, are left out. most: users, drawn by the seed, or all.

    Raises DatasetError, BenchError.
    """
    dataset = source.read(folder / source.path)
    items = [msgspec.convert(item, Item) for item in dataset.items]
    row_of = {item.item_id: row for row, item in enumerate(items)}
    events = [
        msgspec.convert(event, Event)
        for event in dataset.events
        if event["user_id"] is not None and event.get("item_id") in row_of
    ]
    if not events:
        raise BenchError(f"{source.name} holds no event about an item: give the whole data set")
    events = _of_some(events, most, seed)
    _, users = np.unique([event.user_id for event in events], return_inverse=True)
    return History(
        source,
        [item.text() for item in items],
        users.astype(np.int64),
        np.array([row_of[event.item_id or ""] for event in events], dtype=np.int64),
        np.array([event.timestamp for event in events], dtype=np.int64),
        _weights(events, users.astype(np.int64)),
        np.array([event.action == source.action for event in events]),
    )


def _of_some(events: list[Event], most: int | None, seed: int) -> list[Event]:
    users = sorted({event.user_id for event in events})
    if most is None or most >= len(users):
        return events
    drawn = set(np.random.default_rng(seed).choice(users, most, replace=False).tolist())
    return [event for event in events if event.user_id in drawn]


def _weights(events: list[Event], users: Longs) -> Floats:
    states = np.zeros(int(users.max()) + 1, dtype=[("rating_sum", "<f8"), ("rating_count", "<i8")])
    event_weights = EventWeights(DEFAULT_ACTIONS, 1.0)
    return event_weights.weigh(events, event_weights.base(events), users, states)


@dataclass(frozen=True, slots=True)
class Rounds:
    """The events by visit: what one user did at one moment, which is judged whole before any of it is learnt.

    order (n,): the events by round; round k has every user's k-th visit.
    starts (R + 1,): where rounds begin in `order`.
    visit (n,): number of each event's visit, in the order of `order`.
    first (V,): position in `order` of each visit's first event.
    judged (V,): true in the second half of the stream, but for the user's first visit.
    """

    order: Longs
    starts: Longs
    visit: Longs
    first: Longs
    judged: Bools

    def slices(self) -> Iterator[slice]:
        """Of `order`, a round each."""
        for begin, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            yield slice(begin, end)


def rounds(found: History) -> Rounds:
    """The second half begins at the time of the event in the middle."""
    n = len(found.users)
    grouped = np.lexsort((np.arange(n), found.times, found.users))
    users, times = found.users[grouped], found.times[grouped]
    new_user = np.concatenate(([True], users[1:] != users[:-1]))
    new_visit = new_user | np.concatenate(([True], times[1:] != times[:-1]))
    visits = np.cumsum(new_visit)
    before = np.maximum.accumulate(np.where(new_user, visits, 0))
    number = np.empty(n, dtype=np.int64)
    number[grouped] = visits - before
    user_and_time = np.empty(n, dtype=np.int64)
    user_and_time[grouped] = visits
    order = np.lexsort((np.arange(n), user_and_time, number))
    starts = np.concatenate(([0], np.cumsum(np.bincount(number)))).astype(np.int64)
    same = user_and_time[order]
    begins = np.concatenate(([True], same[1:] != same[:-1]))
    first = np.flatnonzero(begins)
    late = found.times[order[first]] >= found.times[n // 2]
    return Rounds(order, starts, np.cumsum(begins) - 1, first, late & (number[order[first]] > 0))
