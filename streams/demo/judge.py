"""Measures how near the published vectors were to the truth, and how late. Pure: times are given."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.demo.simulate import World

Vector = npt.NDArray[np.float64]
# Records of a user's first events are not judged.
WARM_UP = 5
# A shift counts as followed when the new truth is nearer at this many records in a row.
STAYS = 2
NONE = (float("nan"),)


@dataclass(slots=True)
class Sent:
    """A user's events in the order sent: wall-clock seconds, share of the run, item (None for a search)."""

    at: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    item: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """A vector record: how many of the user's events it holds, and the vector (dim,)."""

    count: int
    vector: Vector


@dataclass(slots=True)
class Tally:
    """Results of one kind of vectors: a cosine per record, and per user the events until the shift was followed."""

    cosines: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)


class Judge:
    """Collects what was sent and seen; then says how well the vectors followed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = {user: index for index, user in enumerate(world.users)}
        self.sent: dict[str, Sent] = defaultdict(Sent)
        self.seen: dict[str, list[Seen]] = defaultdict(list)
        self.latencies: list[float] = []

    def send(self, event: dict[str, Any], share: float, at: float) -> None:
        """A valid event was handed to Kafka at this wall-clock time (seconds)."""
        sent = self.sent[event["user_id"]]
        sent.at.append(at)
        sent.share.append(share)
        sent.item.append(event.get("item_id"))

    def see(self, user: str, count: int, vector: Vector, at: float) -> None:
        """A vector of the user's first `count` events was received at this wall-clock time (seconds)."""
        records = self.seen[user]
        known = records[-1].count if records else 0
        if count > known:
            self.latencies += [at - moment for moment in self.sent[user].at[known:count]]
            records.append(Seen(count, vector))

    def unseen(self) -> int:
        """Events that no vector holds yet."""
        sent = sum(len(sent.at) for sent in self.sent.values())
        return sent - sum(records[-1].count for records in self.seen.values())

    def percentile_ms(self, percent: float) -> float:
        """Latency in ms from event sent to vector received, over all events; NaN where there is none."""
        return float(np.percentile(self.latencies, percent) * 1000) if self.latencies else float("nan")

    def verdict(self, items: dict[str, Vector]) -> dict[str, float]:
        """Means over all records, medians over all users, NaN where there is none. items: each item's (dim,)."""
        themes = self._theme_vectors(items)
        ours, static = Tally(), Tally()
        for user, records in self.seen.items():
            counts = [record.count for record in records]
            published = np.stack([record.vector for record in records])
            plain = self._sums(user, items)[np.array(counts) - 1]
            for tally, vectors in ((ours, published), (static, plain)):
                tally.cosines += self._cosines(user, counts, vectors, themes)
                tally.steps += self._steps_to_follow(user, counts, vectors, themes)
        return {
            "cosine_truth": mean(ours.cosines or NONE),
            "cosine_truth_static": mean(static.cosines or NONE),
            "events_to_follow_shift": median(ours.steps or NONE),
            "events_to_follow_shift_static": median(static.steps or NONE),
        }

    def _theme_vectors(self, items: dict[str, Vector]) -> Vector:
        """(themes, dim): the mean direction of each theme's items."""
        return np.stack([unit(np.mean([items[item] for item in own], axis=0)) for own in self.world.by_theme])

    def _sums(self, user: str, items: dict[str, Vector]) -> Vector:
        """(events, dim) sums of the item vectors up to each event: the directions of their plain averages.

        That is what a profile without decay would be; a search has no item and adds nothing.
        """
        nothing = np.zeros(len(next(iter(items.values()))))
        vectors = [nothing if item is None else items[item] for item in self.sent[user].item]
        return np.cumsum(vectors, axis=0)

    def _cosines(self, user: str, counts: list[int], vectors: Vector, themes: Vector) -> list[float]:
        """Cosine of each record's vector with the truth at its newest event, after the warm-up."""
        number, share = self.number[user], self.sent[user].share
        return [
            cosine(vector, self.world.truth(number, share[count - 1]) @ themes)
            for count, vector in zip(counts, vectors, strict=True)
            if count >= WARM_UP
        ]

    def _steps_to_follow(self, user: str, counts: list[int], vectors: Vector, themes: Vector) -> list[float]:
        """Per user, the events after the shift until the new truth is nearer and stays so.

        One more than there were where it never is; empty for a user with too few events on either side.
        """
        number = self.number[user]
        before, after = (weights @ themes for weights in self.world.before_and_after(number))
        shift = sum(share < self.world.shift_at[number] for share in self.sent[user].share)
        total = counts[-1] - shift
        if shift < WARM_UP or total < WARM_UP:
            return []
        nearer = [
            count > shift and cosine(vector, after) > cosine(vector, before)
            for count, vector in zip(counts, vectors, strict=True)
        ]
        followed = (count - shift for at, count in enumerate(counts) if all(nearer[at : at + STAYS]))
        return [float(next(followed, total + 1))]


def unit(vector: Vector) -> Vector:
    """Scaled to length 1; zero stays zero."""
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two vectors; 0 where one is zero."""
    return float(unit(one) @ unit(other))
