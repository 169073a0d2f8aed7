"""A batch's new events with all that the fold needs to know of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from streams.events.columns.events import Events
from streams.flow.decoded import Decoded
from streams.flow.folding.item_rows import ItemRows
from streams.flow.signals import EventWeights, SentimentWeight
from streams.interest.base import NO_ITEM, Floats, Longs
from streams.interest.rounds import Schedule, schedule
from streams.kernels.compiling import compiled
from streams.kernels.rows import places
from streams.state.origins import Ranks
from streams.state.users.duplicates import Keys, Mask, event_keys, fresh_events
from streams.state.users.partition import UserPartition


@dataclass(frozen=True, slots=True)
class Columns:
    """n events of one partition, by column."""

    events: Events
    # (n,) the row of each event's user.
    rows: Longs
    # (n,) offset of each event's record.
    offsets: Longs
    # (n,) when the broker took each event's record, milliseconds; 0 where it did not say.
    recorded: Longs
    # (n,) key of each event's id.
    keys: Keys
    # (n,) index of each event's own text among the encoded texts; -1 for none.
    text_at: Longs
    # (n,) index of each event's sentence among the encoded texts; -1 for none.
    sentence_at: Longs
    # (n,) factor of the sentiment of each event's text.
    sentiment_weight: Floats

    @classmethod
    def of(cls, part: UserPartition, decoded: Decoded, sentiment_weight: SentimentWeight) -> Columns:
        """All events of a batch; users who are new get a row."""
        events = decoded.events
        text_at, sentence_at = decoded.text_positions()
        users, user_of = events.users.distinct()
        return cls(
            events,
            part.rows(users)[user_of],
            decoded.offsets,
            decoded.recorded,
            np.array(decoded.keys, np.uint64) if decoded.keys else event_keys(events, decoded.origins),
            text_at,
            sentence_at,
            sentiment_weight.factors(decoded.scores, len(events)),
        )

    def only(self, chosen: Mask) -> Columns:
        """The events for which chosen (n,) is true."""
        if chosen.all():
            return self
        return Columns(
            self.events.only(np.flatnonzero(chosen)),
            self.rows[chosen],
            self.offsets[chosen],
            self.recorded[chosen],
            self.keys[chosen],
            self.text_at[chosen],
            self.sentence_at[chosen],
            self.sentiment_weight[chosen],
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The n events of a partition's batch that are no repeats, of U users."""

    new: Columns
    # (n,) catalog row of each event's item, NO_ITEM or UNKNOWN_ITEM.
    items: Longs
    # (n,) weight of each event's action.
    base: Floats
    # (n,) true where the event moves its user's interest: then it is a signal.
    signal: Mask
    # The rounds of the signals.
    plan: Schedule
    # (U,) the users' rows, those with a signal first.
    touched: Longs
    # (n,) position in `touched` of each event's user.
    position: Longs
    # True of events that waited for their item.
    waited: bool
    # How far the events' origins go.
    risen: Ranks

    @classmethod
    def of(
        cls,
        part: UserPartition,
        decoded: Decoded,
        item_rows: ItemRows,
        event_weights: EventWeights,
        outcomes: Counter[str],
    ) -> Batch:
        """Drop and count repeats, look items up, and plan the rounds. Only new users' rows change the partition."""
        new = Columns.of(part, decoded, event_weights.sentiment_weight)
        repeated, risen = part.origins.sift(decoded.origins) if decoded.origins else (None, {})
        if not decoded.waited:
            new = new.only(fresh_events(part, new.rows, new.offsets, new.keys, repeated, outcomes))
        base, items = event_weights.base(new.events), item_rows.of(new.events)
        signal = (base != 0) & ((items >= 0) | ((items == NO_ITEM) & (new.text_at >= 0)))
        plan = schedule(new.rows[signal])
        touched, position = _others_behind(plan.touched, new.rows)
        return cls(new, items, base, signal, plan, touched, position, decoded.waited, risen)

    @property
    def moved(self) -> slice:
        """Which of `touched` have a signal."""
        return slice(0, len(self.plan.touched))


def _others_behind(first: Longs, rows: Longs) -> tuple[Longs, Longs]:
    """The distinct rows, `first` as they stand, then the others by size; and (n,) the position there of each row."""
    if compiled():
        others, position = places(first, rows)
        if not len(others):
            return first, position
        by_size = np.argsort(others)
        rank = np.concatenate((np.arange(len(first)), len(first) + np.argsort(by_size)))
        return np.concatenate((first, others[by_size])), rank[position]
    others = np.setdiff1d(rows, first)
    touched = np.concatenate((first, others)) if len(others) else first
    position_of = {row: position for position, row in enumerate(touched.tolist())}
    return touched, np.array([position_of[row] for row in rows.tolist()], dtype=np.int64)
