"""The fold of one partition's events together: all of them, or none and nothing has changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.flow.decoded import Decoded, KeyValues, Updated
from streams.flow.feedback.impressions import NOTHING_JOINED, Joined
from streams.flow.folding.batch import Batch
from streams.flow.folding.each_event import vector_per_event
from streams.flow.folding.item_rows import ItemRows
from streams.flow.folding.parts import FoldParts
from streams.flow.folding.waiting import SetAside, set_aside
from streams.flow.learning.said import NOTHING_SAID, Said
from streams.flow.learning.speaking import speak
from streams.flow.signals import times
from streams.interest.base import Change, Floats, ItemDeltas, Longs, Signals, States
from streams.interest.steps import Steps, update_each
from streams.items.signaller import nearness
from streams.kernels.compiling import compiled
from streams.kernels.rings import take_in
from streams.state.layout import Rows
from streams.state.users.duplicates import Mask, remember
from streams.state.users.partition import UserPartition


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch makes of the states, before they change."""

    # (U, size) the touched users' new rows, as bytes.
    changed: Rows
    # (U,) the same rows, structured; they share memory.
    states: Any
    # n of them, in round order, and (n,) the index among the batch's events of each.
    signals: Signals
    indices: Longs
    aside: SetAside
    deltas: ItemDeltas | None
    # What each signal made of its user, where there is a vector for each.
    steps: Steps | None
    # What the events say of items.
    said: Said
    # What became of impressions.
    joined: Joined


class BatchFolder:
    """Folds events that can all be folded; `EventFolder` deals with others."""

    def __init__(self, parts: FoldParts) -> None:
        self.model, self.layout, self.catalog = parts.model, parts.layout, parts.catalog
        self.event_weights, self.writer = parts.event_weights, parts.writer
        self.options, self.history, self.tells_uses = parts.options, parts.history, parts.tells_uses
        self.item_rows, self.feedback = ItemRows(parts.catalog), parts.feedback

    def fold(self, part: UserPartition, decoded: Decoded, texts: Floats) -> Updated:
        """Fold the events. texts (t, dim): vectors of `decoded.texts()`. Where it raises, no trace is left."""
        outcomes = Counter[str]()
        try:
            # What overflows ends as no number, or as a vector of zeros where there is an interest.
            with np.errstate(over="raise", invalid="ignore"):
                batch = Batch.of(part, decoded, self.item_rows, self.event_weights, outcomes)
                folded = self._apply(part, batch, texts, outcomes)
                _require_finite(folded.states["model"][batch.moved])
                vectors = self._vectors_of(part, batch, folded)
        except Exception:  # whatever it was, the users that these events brought are not there
            rows = part.rows(decoded.events.users.distinct()[0])
            part.leave_unseen(rows)
            raise
        self._enter(part, batch, folded)
        records = part.records(batch.touched, folded.changed)
        updated = Updated(records, vectors, outcomes, batch.touched, said=folded.said, joined=folded.joined)
        if (deltas := folded.deltas) is not None:
            updated.item_deltas = [(batch.new.offsets[folded.indices[deltas.signals]], deltas)]
        if self.tells_uses:
            updated.used = _used(batch, folded)
        return updated

    def vectors(self, part: UserPartition, rows: Longs, states: Any) -> KeyValues:
        """Vector records of users' rows (U,) with their states (U,)."""
        model, users = states["model"], [part.users[row] for row in rows.tolist()]
        counts, as_of = self.model.counts(model), self.model.times(model)
        return self.writer.vectors(part.partition, users, states, counts, as_of, self.model.interest(model))

    def _vectors_of(self, part: UserPartition, batch: Batch, folded: Folded) -> KeyValues:
        if folded.steps is None:
            return self.vectors(part, batch.touched[batch.moved], folded.states[batch.moved])
        done = ~folded.aside.events
        return vector_per_event(self.writer, part, batch, done, folded.indices, folded.steps)

    def _apply(self, part: UserPartition, batch: Batch, texts: Floats, outcomes: Counter[str]) -> Folded:
        """The touched users' changed rows and all else; nothing of the partition changes yet."""
        changed = part.read_rows(batch.touched)
        states = self.layout.view(changed)
        aside = set_aside(part, batch, self.options.user_state, outcomes)
        moving = states["model"][batch.moved]
        before = self.model.counts(moving).copy()
        signals, indices = self._signals(batch, states, texts)
        found = NOTHING_SAID
        if (wanted := self.options.recommendations).learn_items:
            near = nearness(wanted.learned_pairs)
            found = speak(part, batch, states, signals, indices, before, aside, self.catalog, near)
        change, steps = self._update(moving, signals)
        actions = batch.new.events.actions.only(indices)
        self.history.write(states["history"], batch.plan, signals, actions, before, batch.base[indices] > 0)
        self._take_in(part, batch, states, ~aside.events)
        outcomes["applied"] += len(signals) - change.late
        outcomes["late"] += change.late
        outcomes["neutral"] += int(np.count_nonzero(~aside.events)) - len(signals)
        joined = NOTHING_JOINED if self.feedback is None else self.feedback.join(batch, states)
        return Folded(changed, states, signals, indices, aside, change.deltas, steps, found, joined)

    def _update(self, states: States, signals: Signals) -> tuple[Change, Steps | None]:
        if self.options.vector_per_event:
            return update_each(self.model, states, signals)
        return self.model.update(states, signals), None

    def _take_in(self, part: UserPartition, batch: Batch, states: Any, done: Mask) -> None:
        """Let the headers say which events the states hold. done: (n,) true for events that do not wait."""
        part.set_version(states)
        if compiled():
            take_in(
                *(batch.position, batch.new.offsets, batch.new.keys, done, batch.waited),
                *(states[name] for name in ("offset", "accepted", "recent_ids", "applied", "digest")),
            )
            return
        offsets = states["offset"].copy()
        np.maximum.at(offsets, batch.position, batch.new.offsets)
        states["offset"] = offsets
        if not batch.waited:
            remember(states, batch.position, batch.new.keys)
        users = batch.position[done]
        states["applied"] += np.bincount(users, minlength=len(batch.touched))
        np.add.at(states["digest"], users, batch.new.keys[done])

    def _signals(self, batch: Batch, states: Any, texts: Floats) -> tuple[Signals, Longs]:
        """Signals in round order, and the index among the events of each."""
        indices, plan = np.flatnonzero(batch.signal), batch.plan
        events, everything = batch.new.events, len(indices) == len(batch.items)
        chosen = events if everything else events.only(indices)
        users = batch.position[indices]
        weights = (
            self.event_weights.weigh(chosen, batch.base[indices], users, states)
            * batch.new.sentiment_weight[indices]
        )
        when = times(chosen.times, batch.new.recorded[indices])[plan.order]
        indices = indices[plan.order]
        items = batch.items[indices]
        columns = plan.starts, plan.users, when, weights[plan.order]
        if not len(texts):
            # Every signal is about its item alone: a row of the catalog, where it may lie.
            return Signals(*columns, self.catalog.vectors, items, at=items), indices
        return Signals(*columns, self._vectors(batch, indices, texts), items), indices

    def _vectors(self, batch: Batch, indices: Longs, texts: Floats) -> Floats:
        """(n, dim) what each event is about: its item, plus a share of its text; or its text alone.

        An event's sentence stands for its item, or for its text alone.
        """
        items, text_at, sentence_at = (
            column[indices] for column in (batch.items, batch.new.text_at, batch.new.sentence_at)
        )
        known, with_text, with_sentence = items >= 0, text_at >= 0, sentence_at >= 0
        vectors: Floats = np.zeros((len(indices), self.catalog.dim), dtype=np.float32)
        vectors[known] = np.take(self.catalog.vectors, items[known], axis=0)
        if with_text.any():
            alone = with_text & ~known
            vectors[alone] = texts[text_at[alone]]
        vectors[with_sentence] = texts[sentence_at[with_sentence]]
        if with_text.any():
            both = with_text & known
            vectors[both] += np.float32(self.options.weights.text_share) * texts[text_at[both]]
        return vectors

    def _enter(self, part: UserPartition, batch: Batch, folded: Folded) -> None:
        """Make it the partition's state; apart from memory nothing can fail any more."""
        part.write_rows(batch.touched, folded.changed)
        part.origins.advance(batch.risen)
        for row, waiting in folded.aside.waiting:
            part.waiting.add(row, waiting)
        if self.options.recommendations.enabled:
            if self.options.recommendations.exclude_consumed:
                self._consume(part, batch, folded.indices)
            part.set_due(batch.plan.touched)

    def _consume(self, part: UserPartition, batch: Batch, indices: Longs) -> None:
        consuming, consume, rows = self.options.consuming_actions, part.consumed.add, batch.new.rows
        keys, actions, items = self.catalog.keys, batch.new.events.actions, batch.items
        consumes = np.array([action in consuming for action in actions.known], dtype=bool)
        chosen = np.sort(indices)
        chosen = chosen[consumes[actions.of[chosen]] & (items[chosen] >= 0)]
        for row, key in zip(rows[chosen].tolist(), keys[items[chosen]].tolist(), strict=True):
            consume(row, key)


def _used(batch: Batch, folded: Folded) -> list[tuple[Longs, Longs, Longs]]:
    """Who used what, and when. An event that waited for its item is not what its user did next: it came before."""
    if batch.waited:
        return []
    signals = folded.signals
    chosen = np.flatnonzero((signals.items >= 0) & (batch.base[folded.indices] > 0))
    users = batch.touched[signals.users[chosen]]
    return [(users, signals.items[chosen], signals.times[chosen])] if len(chosen) else []


def _require_finite(models: States) -> None:
    """Raises FloatingPointError where a number of a model's states is not finite."""
    for name, (dtype, *_) in (models.dtype.fields or {}).items():
        if dtype.base.kind == "f" and not np.isfinite(models[name]).all():
            raise FloatingPointError(
                "the interest would not be finite: a weight or a vector is too large, or none"
            )
