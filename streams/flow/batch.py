"""One batch on its way into the states: which events are new, what each is about, and the fold itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from streams.events.canonical import Event
from streams.flow.setting_aside import UNKNOWN, set_aside_unknown
from streams.flow.signals import times
from streams.interest.base import Floats, Longs, Schedule, Signals, schedule
from streams.state.layout import Rows
from streams.state.origins import Ranks
from streams.state.users.duplicates import Keys, Mask, event_keys, fresh_events, remember
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting

if TYPE_CHECKING:
    from streams.flow.decoded import Decoded
    from streams.flow.flow import Flow

NO_ITEM, UNKNOWN_ITEM = -2, UNKNOWN


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch makes of the states, before it is entered.

    changed, states: the touched users' rows, as bytes (U, size) and as structured view (U,). indices: among the
    events, of the signals. aside: rows and events that are to wait.
    """

    changed: Rows
    states: Any
    indices: Longs
    aside: list[tuple[int, Waiting]]


@dataclass(slots=True)
class Batch:
    """The events of one partition's batch that are not duplicates, with all that the fold needs.

    rows, offsets, recorded, keys, items, text_at, told_at, tone, base: (n,) per event: its user's row, its offset,
    its record's time, its id's key, its item's catalogue row (or NO_ITEM, UNKNOWN_ITEM), the indices of its text and
    of what is told in place of its item (or -1), the factor of its text's sentiment, its action's weight.
    signal: (n,) true where the event moves its user's interest. touched: (U,) rows, those with a signal first.
    risen: how far the events' origins go.
    """

    flow: Flow
    part: UserPartition
    events: list[Event]
    rows: Longs
    offsets: Longs
    recorded: Longs
    keys: Keys
    items: Longs
    text_at: Longs
    told_at: Longs
    tone: Floats
    base: Floats
    signal: Mask
    plan: Schedule
    touched: Longs
    position: Longs
    released: bool
    risen: Ranks

    @classmethod
    def of(cls, flow: Flow, part: UserPartition, decoded: Decoded, outcomes: Counter[str]) -> Batch:
        """Drop duplicates, look items up, set waiting events aside, and plan the rounds."""
        events, offsets, recorded = decoded.events, decoded.offsets, decoded.recorded
        text_at, told_at = decoded.text_positions()
        tone = flow.weighing.tone.factors(decoded.scores, len(events))
        rows = part.rows([event.user_id for event in events])
        keys = np.array(decoded.keys, np.uint64) if decoded.keys else event_keys(events, decoded.origins)
        again, risen = part.origins.sift(decoded.origins) if decoded.origins else (None, {})
        if (
            not decoded.released
            and not (fresh := fresh_events(part, rows, offsets, keys, again, outcomes)).all()
        ):
            rows, offsets, recorded = rows[fresh], offsets[fresh], recorded[fresh]
            text_at, told_at, tone, keys = text_at[fresh], told_at[fresh], tone[fresh], keys[fresh]
            events = [event for event, new in zip(events, fresh.tolist(), strict=True) if new]
        base = flow.weighing.base(events)
        items = _lookup(flow.catalog.row_of, events)
        signal = (base != 0) & ((items >= 0) | ((items == NO_ITEM) & (text_at >= 0)))
        plan = schedule(rows[signal])
        touched = _others_behind(plan.touched, rows)
        place = {row: position for position, row in enumerate(touched.tolist())}
        position = np.array([place[row] for row in rows.tolist()], dtype=np.int64)
        return cls(
            flow,
            part,
            events,
            rows,
            offsets,
            recorded,
            keys,
            items,
            text_at,
            told_at,
            tone,
            base,
            signal,
            plan,
            touched,
            position,
            decoded.released,
            risen,
        )

    @property
    def signalled(self) -> int:
        """How many of `touched`, from the front, have a signal."""
        return len(self.plan.touched)

    def fold(self, texts: Floats, outcomes: Counter[str]) -> Folded:
        """The touched users' changed rows and all else; nothing of the partition changes yet."""
        flow = self.flow
        changed = self.part.take(self.touched)
        states = flow.layout.view(changed)
        set_aside, aside = set_aside_unknown(self, outcomes)
        before = flow.model.counts(states["model"][: self.signalled]).copy()
        signals, indices = self._signals(states, texts)
        late = flow.model.update(states["model"][: self.signalled], signals)
        self._remember(states["history"], signals, indices, before)
        done = self.position[~set_aside]
        offsets = states["offset"].copy()
        np.maximum.at(offsets, self.position, self.offsets)
        states["offset"] = offsets
        self._count(states, ~set_aside)
        outcomes["applied"] += len(signals) - late
        outcomes["late"] += late
        outcomes["neutral"] += len(done) - len(signals)
        return Folded(changed, states, indices, aside)

    def enter(self, folded: Folded) -> None:
        """Make it the partition's state; apart from memory nothing can fail any more."""
        part = self.part
        part.put(self.touched, folded.changed)
        part.origins.advance(self.risen)
        for row, waiting in folded.aside:
            part.waiting.add(row, waiting)
        self._consume(folded.indices)
        if self.flow.options.recommend:
            part.mark_due(self.plan.touched)

    def _count(self, states: Any, taken: Mask) -> None:
        """Remember the ids of what was read for the first time, and count what does not wait."""
        if not self.released:
            remember(states, self.position, self.keys)
        done = self.position[taken]
        states["count"] += np.bincount(done, minlength=len(self.touched))
        np.add.at(states["digest"], done, self.keys[taken])
        self.part.stamp(states)

    def _signals(self, states: Any, texts: Floats) -> tuple[Signals, Longs]:
        """Signals in round order, and the index among the events of each."""
        indices = np.flatnonzero(self.signal)
        chosen = [self.events[i] for i in indices.tolist()]
        users = self.position[indices]
        weights = self.flow.weighing.weigh(chosen, self.base[indices], users, states) * self.tone[indices]
        order = self.plan.order
        when = times(chosen, self.recorded[indices])[order]
        indices = indices[order]
        vectors = self._vectors(indices, texts)
        return Signals(self.plan.starts, self.plan.users, when, weights[order], vectors), indices

    def _vectors(self, indices: Longs, texts: Floats) -> Floats:
        """(n, dim) what each event is about: its item, plus a share of its text; or its text alone.

        What is told of the behaviour stands for the item, or for the text alone.
        """
        items, text_at, told_at = self.items[indices], self.text_at[indices], self.told_at[indices]
        known, catalog = items >= 0, self.flow.catalog
        vectors: Floats = np.zeros((len(indices), catalog.dim), dtype=np.float32)
        vectors[known] = np.take(catalog.vectors, items[known], axis=0)
        with_text = text_at >= 0
        if with_text.any():
            alone = with_text & ~known
            vectors[alone] = texts[text_at[alone]]
        told = told_at >= 0
        vectors[told] = texts[told_at[told]]
        if with_text.any():
            both = with_text & known
            vectors[both] += np.float32(self.flow.options.text_share) * texts[text_at[both]]
        return vectors

    def _remember(self, history: Any, signals: Signals, indices: Longs, before: Longs) -> None:
        """Write each user's newest signals into the ring; ordinals count them; one without item leaves a gap."""
        length, plan = self.flow.layout.history, self.plan
        kept = plan.occurrence >= plan.counts[plan.users] - length
        users, indices = plan.users[kept], indices[kept]
        ordinals = before[users] + plan.occurrence[kept]
        entries = np.zeros(len(users), dtype=history.dtype)
        items = self.items[indices]
        entries["item"][items >= 0] = self.flow.catalog.keys[items[items >= 0]]
        entries["time"], entries["weight"] = signals.times[kept], signals.weights[kept]
        entries["ordinal"] = ordinals
        entries["action"] = self.flow.action_keys([self.events[i].action for i in indices.tolist()])
        history[users, ordinals % length] = entries

    def _consume(self, indices: Longs) -> None:
        options = self.flow.options
        if not (options.recommend and options.exclude_consumed):
            return
        consuming, consume, rows = options.consuming_actions, self.part.consumed.add, self.rows
        keys = self.flow.catalog.keys
        for index in np.sort(indices).tolist():
            if self.events[index].action in consuming and self.items[index] >= 0:
                consume(int(rows[index]), int(keys[self.items[index]]))


def action_key(action: str) -> int:
    """Checksum under which a state remembers an action word."""
    return crc32(action.encode())


def _lookup(row_of: dict[str, int], events: list[Event]) -> Longs:
    get = row_of.get
    return np.array(
        [NO_ITEM if event.item_id is None else get(event.item_id, UNKNOWN_ITEM) for event in events],
        dtype=np.int64,
    )


def _others_behind(first: Longs, rows: Longs) -> Longs:
    """The distinct rows, `first` in front as they stand."""
    others = np.setdiff1d(rows, first)
    return np.concatenate((first, others)) if len(others) else first
