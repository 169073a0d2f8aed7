"""Pairs of items that users consume one after the other, for training a text encoder, and their split in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice, pairwise
from operator import attrgetter
from typing import NamedTuple, TypeVar

import numpy as np

from streams.events.canonical import Event
from streams.flow.signals import EventWeights

T = TypeVar("T")
# Events weighed at a time.
CHUNK = 4_000
RATINGS = np.dtype([("rating_sum", "f8"), ("rating_count", "f8")])


class Liked(NamedTuple):
    """An item that a user consumed, with the time in ms."""

    timestamp: int
    item: str


class CoConsumed(NamedTuple):
    """Two items that a user consumed one after the other.

    timestamp: of the later one, ms. session: number of the user's visit; its items are no negatives for one another.
    """

    timestamp: int
    user: str
    left: str
    right: str
    session: int


def co_consumed(
    events: Iterable[Event], event_weights: EventWeights, window_ms: int, per_user: int
) -> list[CoConsumed]:
    """Consecutive distinct items of a user with positive weight, no more than the window apart; by time.

    Two items are paired once, whichever user and order, so that no pair occurs at two times.
    per_user: pairs of one user at most, spread over that user's time, so that heavy users do not dominate.
    Memory: a small tuple for every event of positive weight.
    """
    found: list[CoConsumed] = []
    sessions = 0
    for user, liked in _liked(events, event_weights).items():
        liked.sort(key=attrgetter("timestamp"))  # stable: what shares a time stays in log order
        for one, other in pairwise(liked):
            if other.timestamp - one.timestamp > window_ms:
                sessions += 1
            elif one.item != other.item:
                found.append(CoConsumed(other.timestamp, user, one.item, other.item, sessions))
        sessions += 1
    return _capped(_first_of_each(sorted(found)), per_user)


def split_in_time(
    pairs: Sequence[CoConsumed], held_out: float
) -> tuple[list[CoConsumed], list[CoConsumed], int]:
    """Pairs before the cut, pairs from the cut on, and the cut in milliseconds.

    pairs: by time, at least one. held_out: share, in (0, 1), that lies behind the cut; more where many share
    the cut's time.
    """
    cut = pairs[min(int(len(pairs) * (1 - held_out)), len(pairs) - 1)].timestamp
    earlier = [pair for pair in pairs if pair.timestamp < cut]
    return earlier, list(pairs[len(earlier) :]), cut


def spread(rows: Sequence[T], most: int) -> list[T]:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return list(rows)
    return [rows[index * len(rows) // most] for index in range(most)]


def _liked(events: Iterable[Event], event_weights: EventWeights) -> dict[str, list[Liked]]:
    """By user, in log order."""
    liked: dict[str, list[Liked]] = defaultdict(list)
    users: dict[str, int] = {}
    items: dict[str, str] = {}  # one string for all events of an item
    states = np.zeros(CHUNK, dtype=RATINGS)
    rest: Iterator[Event] = (event for event in events if event.item_id)
    while chunk := list(islice(rest, CHUNK)):
        rows = np.array([users.setdefault(event.user_id, len(users)) for event in chunk], dtype=np.int64)
        if len(users) > len(states):
            states = np.concatenate([states, np.zeros(max(CHUNK, len(states)), dtype=RATINGS)])
        weights = event_weights.weigh(chunk, event_weights.base(chunk), rows, states)
        for event, weight in zip(chunk, weights.tolist(), strict=True):
            if weight > 0:
                item = event.item_id or ""
                liked[event.user_id].append(Liked(event.timestamp, items.setdefault(item, item)))
    return liked


def _first_of_each(pairs: Iterable[CoConsumed]) -> list[CoConsumed]:
    first: dict[tuple[str, str], CoConsumed] = {}
    for pair in pairs:
        first.setdefault((min(pair.left, pair.right), max(pair.left, pair.right)), pair)
    return list(first.values())


def _capped(pairs: Sequence[CoConsumed], per_user: int) -> list[CoConsumed]:
    by_user = sorted(pairs, key=lambda pair: (pair.user, pair.timestamp))
    runs = (list(own) for _, own in groupby(by_user, key=attrgetter("user")))
    return sorted(pair for own in runs for pair in spread(own, per_user))
