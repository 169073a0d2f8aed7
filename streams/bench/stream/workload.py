"""The workload of all engines: users, items and events; and the vectors that they must give.

20,000 users whose activity follows Zipf's law (exponent 1.2), a catalog of 10,000 items whose 128-d unit
vectors are known beforehand, events of one item each. Seeded: every run and engine sees the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from encoders.core.base import identity
from encoders.text.hashing import HashingEncoder
from streams.catalog.items import Item, encode_embedding
from streams.events.canonical import Event, encode
from streams.settings.action_rules import DEFAULT_ACTIONS
from streams.settings.sections.interest import DAY_S

Floats = npt.NDArray[np.float32]

USERS, ITEMS, DIM, ZIPF = 20_000, 10_000, 128, 1.2
# Events that are made at a time.
PART = 100_000
ACTIONS = ("view", "click", "like", "dislike")
ODDS = (0.5, 0.3, 0.15, 0.05)
WEIGHTS = {action: DEFAULT_ACTIONS[action].weight for action in ACTIONS}
# Before any record is written, so that no event lies in its record's future.
T0 = 1_700_000_000_000
STEP_MS = 1000
# The arithmetic of every engine: sums that decay in events (short) and in seconds (long), mixed by half.
SHORT_EVENTS, LONG_S, SHORT_SHARE = 5.0, 30 * DAY_S, 0.5


@dataclass(frozen=True)
class Workload:
    """`count` events of so many users, whose activity falls with their rank to the power of `zipf`.

    dim: of the items' vectors. each_once: the first `users` events are one of each user.
    """

    count: int
    users: int = USERS
    zipf: float = ZIPF
    seed: int = 7
    dim: int = DIM
    each_once: bool = False

    @cached_property
    def _drawn(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Indices (count,) of each event's user, item and action."""
        rng = np.random.default_rng(self.seed)
        odds = np.arange(1, self.users + 1) ** -self.zipf
        users = rng.choice(self.users, self.count, p=odds / odds.sum())
        if self.each_once:
            users[: self.users] = np.arange(self.users)
        items = rng.integers(ITEMS, size=self.count)
        return users, items, rng.choice(len(ACTIONS), self.count, p=ODDS)

    @cached_property
    def records(self) -> list[tuple[bytes, bytes]]:
        """Canonical events (key, value), keyed by user."""
        return list(self.encoded(0, self.count))

    def encoded(self, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """The records number `first` up to `last` (exclusive), made as they are asked for."""
        # In parts: as Python's numbers they would take ten times the memory.
        for begin in range(first, last, PART):
            part = slice(begin, min(last, begin + PART))
            for at, drawn in enumerate(zip(*(a[part].tolist() for a in self._drawn), strict=True), begin):
                yield user_id(drawn[0]).encode(), encode(self.event(at, *drawn))

    def ids(self, step: int = 1) -> list[str]:
        """Of every `step`th user."""
        return [user_id(number) for number in range(0, self.users, step)]

    def event(self, at: int, user: int, item: int, action: int) -> Event:
        """The event number `at`."""
        return Event(
            f"e{at}", user_id(user), ACTIONS[action], T0 + at * STEP_MS, "bench", item_id=item_id(item)
        )

    def expected(self, first: int, step: int = 1) -> dict[str, Floats]:
        """Vectors (128,) that every `step`th user must have after the first `first` events, by plain folding."""
        users, items, actions = (a[:first] for a in self._drawn)
        catalog = vectors(self.dim)
        of_user: dict[int, list[int]] = defaultdict(list)
        for at in np.flatnonzero(users % step == 0).tolist():
            of_user[int(users[at])].append(at)
        return {
            user_id(user): _folded([(at, ACTIONS[actions[at]], catalog[items[at]]) for at in places])
            for user, places in of_user.items()
        }


def _folded(events: list[tuple[int, str, Floats]]) -> Floats:
    """The interest after a user's events (number, action, item vector), in double precision."""
    dim = len(events[0][2])
    short, long, last = np.zeros(dim), np.zeros(dim), events[0][0]
    for at, action, vector in events:
        gain = WEIGHTS[action] * vector.astype(np.float64)
        short = short * 2 ** (-1 / SHORT_EVENTS) + gain
        long = long * 2 ** (-(at - last) * STEP_MS / 1000 / LONG_S) + gain
        last = at
    mixed = SHORT_SHARE * _unit(short) + (1 - SHORT_SHARE) * _unit(long)
    return _unit(mixed).astype(np.float32)


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def user_id(number: int) -> str:
    """Id of a user."""
    return f"user-{number:05d}"


def item_id(number: int) -> str:
    """Id of an item."""
    return f"item-{number:05d}"


def vectors(dim: int = DIM) -> Floats:
    """(10,000, dim) unit vectors of the items."""
    drawn = np.random.default_rng(11).standard_normal((ITEMS, dim)).astype(np.float32)
    units: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return units


def space(dim: int = DIM) -> str:
    """Identity of the vector space that the worker runs with: its hashing encoder's, which never has to work."""
    return identity(HashingEncoder(dim))


def embeddings(dim: int = DIM) -> list[tuple[bytes, bytes]]:
    """Records for the topic of embeddings: the catalog as if it had been encoded long ago."""
    return [
        (item_id(number).encode(), encode_embedding(Item(item_id(number)), vector, space(dim), "bench"))
        for number, vector in enumerate(vectors(dim))
    ]
