"""How good were the published vectors, and how late? Pure: a world that knows, and what was observed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.simulate import Weights, World

Vector = npt.NDArray[np.float64]
# Records before this many events of a user say nothing yet.
WARM_UP = 5
# A shift counts as followed when the new truth is nearer at this many records in a row.
STAYS = 2


@dataclass(slots=True)
class Sent:
    """A user's events in the order sent: wall-clock seconds, share of the run, item (None for a search)."""

    at: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    item: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """A vector record: when it was received, how many of the user's events it holds, and the vector."""

    at: float
    count: int
    vector: Vector


class Judge:
    """Collects what was sent and seen; then says how well the vectors followed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = {user: index for index, user in enumerate(world.users)}
        self.sent: dict[str, Sent] = defaultdict(Sent)
        self.seen: dict[str, list[Seen]] = defaultdict(list)
        self.latencies: list[float] = []

    def send(self, event: dict[str, Any], share: float, at: float) -> None:
        """An event was handed to Kafka at this wall-clock time (seconds)."""
        sent = self.sent[event["user_id"]]
        sent.at.append(at)
        sent.share.append(share)
        sent.item.append(event.get("item_id"))

    def see(self, user: str, count: int, vector: Vector, at: float) -> None:
        """A vector of `count` events was received: the first to hold those since the record before."""
        records = self.seen[user]
        known = records[-1].count if records else 0
        if count > known:
            self.latencies += [at - moment for moment in self.sent[user].at[known:count]]
            records.append(Seen(at, count, vector))

    def percentile_ms(self, share: float) -> float:
        """Latency in ms from event sent to vector received, over all events; NaN where there is none."""
        return float(np.percentile(self.latencies, share) * 1000) if self.latencies else float("nan")

    def verdict(self, items: dict[str, Vector]) -> dict[str, float]:
        """Means over all records, medians over all users; items: vector of each item."""
        themes = self._theme_vectors(items)
        ours: list[float] = []
        static: list[float] = []
        follow: list[float] = []
        follow_static: list[float] = []
        for user, records in self.seen.items():
            averages = [self._average(user, record.count, items) for record in records]
            vectors = [record.vector for record in records]
            for record, average in zip(records, averages, strict=True):
                if record.count >= WARM_UP:
                    now = self.sent[user].share[record.count - 1]
                    truth = _direction(self.world.truth(self.number[user], now), themes)
                    ours.append(cosine(record.vector, truth))
                    static.append(cosine(average, truth))
            if (steps := self._steps_to_follow(user, records, vectors, themes)) is not None:
                follow.append(steps)
                follow_static.append(self._steps_to_follow(user, records, averages, themes) or steps)
        return {
            "cosine_truth": mean(ours) if ours else float("nan"),
            "cosine_truth_static": mean(static) if static else float("nan"),
            "events_to_follow_shift": median(follow) if follow else float("nan"),
            "events_to_follow_shift_static": median(follow_static) if follow_static else float("nan"),
        }

    def _theme_vectors(self, items: dict[str, Vector]) -> Vector:
        """(themes, dim): the mean direction of each theme's items."""
        return np.stack([unit(np.mean([items[item] for item in own], axis=0)) for own in self.world.by_theme])

    def _average(self, user: str, count: int, items: dict[str, Vector]) -> Vector:
        """The plain average of the same events' item vectors: what a profile without decay would be."""
        vectors = [items[item] for item in self.sent[user].item[:count] if item is not None]
        return np.mean(vectors, axis=0) if vectors else np.zeros(len(next(iter(items.values()))))

    def _steps_to_follow(
        self, user: str, records: list[Seen], vectors: list[Vector], themes: Vector
    ) -> float | None:
        """The user's events after the shift until the new truth is nearer and stays so.

        Where it never is, one more than there were; None for a user with too few events on either side.
        """
        number = self.number[user]
        before, after = (_direction(weights, themes) for weights in self.world.before_and_after(number))
        shift = sum(share < self.world.shift_at[number] for share in self.sent[user].share)
        total = records[-1].count - shift
        if shift < WARM_UP or total < WARM_UP:
            return None
        row = 0
        for record, vector in zip(records, vectors, strict=True):
            nearer = record.count > shift and cosine(vector, after) > cosine(vector, before)
            row = row + 1 if nearer else 0
            if row == 1:
                since = record.count - shift
            if row == STAYS or (row and record is records[-1]):
                return float(since)
        return float(total + 1)


def _direction(weights: Weights, themes: Vector) -> Vector:
    return unit(weights @ themes)


def unit(vector: Vector) -> Vector:
    """Scaled to length 1; zero stays zero."""
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two vectors; 0 where one is zero."""
    return float(unit(one) @ unit(other))
