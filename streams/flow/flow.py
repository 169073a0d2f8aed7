"""What happens to a batch of events: decode, encode, update, recommend. READ THIS FIRST.

Pure: records in, records out; no Kafka, no clock, no threads. The agents call these verbs in this order, and
so do the replay and the tests, which is why they give the same vectors bit for bit. One thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.events.canonical import (
    DECODE_STAGE,
    Event,
    Limits,
    Rejected,
    SourceRecord,
    decode_canonical,
    decode_canonical_batch,
    decode_stored,
    good_record,
)
from streams.events.forgiven import Forgiven
from streams.events.isolation import each
from streams.events.provenance import OriginReader
from streams.events.records import Record
from streams.flow.batch import NO_ITEM, action_key
from streams.flow.behaviour_text import Templates
from streams.flow.decoded import Decoded, KeyValues, Updated
from streams.flow.folding import fold_isolating
from streams.flow.outputs import Writer
from streams.flow.rendering import Quoted, ranked_items, remembered
from streams.flow.signals import Weighing
from streams.interest.base import Floats, InterestModel, Longs
from streams.recommend import Catalog, Queries, Recommender, explain
from streams.state.changelog import SourceTopic
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting

# What a batch is, told here too.
__all__ = ["Decoded", "Flow", "FlowOptions", "KeyValues", "Updated"]

KNOWN_GOOD = Record("", 0, 0, None, None, good_record(), ())


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """What the flow needs of the settings; see there for how to choose each."""

    limits: Limits
    top_k: int = 20
    reasons: int = 3
    recommend: bool = True
    exclude_consumed: bool = True
    consuming_actions: Container[str] = frozenset()
    waiting_per_user: int = 64
    waiting_bytes_per_user: int = 2_097_152
    waiting_per_partition: int = 100_000
    # Part of an event's text in its vector beside its item's; an event without item is its text alone.
    text_share: float = 0.3
    # What an event says in words, to be encoded in place of its item; none for the items themselves.
    templates: Templates | None = None
    # The topic that the events come from, told in the rejection of one that had waited.
    events_topic: str = "behavior.events.v1"


class Flow:
    """Owns the users' states and the catalogue; everything else is handed in."""

    def __init__(
        self,
        model: InterestModel,
        layout: UserLayout,
        catalog: Catalog,
        recommender: Recommender,
        weighing: Weighing,
        writer: Writer,
        options: FlowOptions,
    ) -> None:
        self.model, self.layout, self.catalog = model, layout, catalog
        self.recommender, self.weighing, self.writer, self.options = recommender, weighing, writer, options
        self.partitions: dict[int, UserPartition] = {}
        # The canonical topic, and the reader of the origins in it; see `reads_from`.
        self.source = SourceTopic(options.events_topic, 0)
        self.origins = OriginReader("")
        # Words behind the checksums in the states. Those with a rule are known before an event has them.
        self._actions = {action: action_key(action) for action in weighing.weight_of}
        self._quoted = Quoted()
        self.forgiven = Forgiven()

    def decode(self, records: Sequence[SourceRecord]) -> Decoded:
        """Canonical events of one partition's records, in order; what is no event is rejected, not lost."""
        limits = self.options.limits
        results = each(
            records,
            lambda record: decode_canonical(record, limits, self.forgiven),
            DECODE_STAGE,
            probe=lambda: decode_canonical(KNOWN_GOOD, limits),
            at_once=lambda: decode_canonical_batch(records, limits, self.forgiven),
        )
        rejected = [(r, e) for r, e in zip(records, results, strict=True) if isinstance(e, Rejected)]
        kept = [r for r, e in zip(records, results, strict=True) if type(e) is Event] if rejected else records
        decoded = Decoded(
            events=[e for e in results if type(e) is Event],
            offsets=np.array([record.offset for record in kept], dtype=np.int64),
            recorded=np.array([r.timestamp or 0 if r.appended else 0 for r in kept], dtype=np.int64),
            last_offset=records[-1].offset,
            rejected=rejected,
            records=kept,
            origins=self.origins.read(kept),
        )
        self.tell(decoded)
        return decoded

    def reads_from(self, source: SourceTopic) -> None:
        """Say which canonical topic the records are of, before any is decoded."""
        if source != self.source:
            self.source, self.origins = source, OriginReader(source.topic_id)

    def tell(self, decoded: Decoded) -> bool:
        """Put the behaviour of known items into words, where that is read; True where there is more to encode now.

        What an item's event says must not hang on when the item was learnt: `update` comes when nothing is untold.
        """
        templates, catalog, before = self.options.templates, self.catalog, len(decoded.told)
        if templates is None:
            return False
        for index, weight in enumerate(self.weighing.base(decoded.events).tolist()):
            event = decoded.events[index]
            row = NO_ITEM if event.item_id is None else catalog.row_of.get(event.item_id)
            if weight == 0 or row is None or index in decoded.told:
                continue
            if text := templates.fill(event, "" if row == NO_ITEM else catalog.title(row)):
                decoded.told[index] = text
        return len(decoded.told) > before

    def update(self, partition: int, decoded: Decoded, texts: Floats) -> Updated:
        """Fold a batch into the partition's states. texts (t, dim): vectors of `decoded.texts()`.

        An event that cannot be folded is isolated, and its neighbours are folded as if it had been rejected
        before. Raises EverythingFailsError: then the process must end.
        """
        part = self.partitions[partition]
        if decoded.released:
            part.waiting.release({event.item_id or "" for event in decoded.events})
        updated = fold_isolating(self, part, decoded, texts)
        self._book(part, decoded, updated.outcomes)
        part.trim()
        return updated

    def unpublished(self, partition: int) -> KeyValues:
        """After a recovery: vectors in the state that may never have been published."""
        part = self.partitions[partition]
        return self._moved(part, part.unpublished)

    def again(self, partition: int, rows: Longs) -> Updated:
        """These users' changelog records and vectors once more, as a change of its own."""
        part = self.partitions[partition]
        changed = part.take(rows)
        part.stamp(self.layout.view(changed))
        part.put(rows, changed)
        if self.options.recommend:
            part.mark_due(rows)
        return Updated(part.records(rows, changed), self._moved(part, rows), Counter(), rows)

    def released(self) -> dict[int, Decoded]:
        """Events whose item is known by now, by partition, ready for `update`; until then they wait on."""
        ready: dict[int, Decoded] = {}
        for number, part in self.partitions.items():
            waiting = part.waiting.waiting_for(part.waiting.rows_by_item.keys() & self.catalog.row_of.keys())
            if waiting:
                ready[number] = decoded = Decoded(
                    events=[self._event(w) for w in waiting],
                    offsets=np.array([w.offset for w in waiting], dtype=np.int64),
                    recorded=np.array([w.recorded for w in waiting], dtype=np.int64),
                    released=True,
                    keys=[w.key for w in waiting],
                )
                self.tell(decoded)
        return ready

    def still_waiting(self, partition: int, decoded: Decoded) -> bool:
        """True where `update` may apply these released events: each is in the state and still waits there."""
        part = self.partitions.get(partition)
        if part is None:
            return False
        events = zip(decoded.events, decoded.offsets.tolist(), strict=True)
        return all(
            event.user_id in part.row_of and part.waiting.holds(part.row_of[event.user_id], offset)
            for event, offset in events
        )

    def recommend(self, partition: int, rows: Longs) -> KeyValues:
        """Recommendation records for the users of these rows, with reasons."""
        part, catalog, options = self.partitions[partition], self.catalog, self.options
        states = self.layout.view(part.take(rows))
        history, model = states["history"], states["model"]
        known, row_of_key = history["item"].tolist(), catalog.row_of_key
        history_rows = np.array([[row_of_key.get(k, -1) for k in keys] for keys in known], dtype=np.int32)
        queries = Queries(
            vectors=self.model.interest(model),
            exclude=[self._excluded(part, row) for row in rows.tolist()],
            history_rows=history_rows,
            history_coefficients=self.model.coefficients(
                model, history["time"], history["weight"], history["ordinal"].astype(np.int64)
            ),
        )
        ranked = self.recommender.recommend(catalog, queries, options.top_k)
        reasons = explain(catalog, ranked, queries, options.reasons)
        words = {key: word for word, key in self._actions.items()}
        events = remembered(history, history_rows, catalog.item_ids, words, self._quoted)
        items = ranked_items(catalog.item_ids, ranked, reasons, events, self._quoted)
        users = [part.users[row] for row in rows.tolist()]
        counts, times = self.model.counts(model), self.model.times(model)
        return self.writer.recommendations(partition, users, states, counts, times, items)

    def action_keys(self, actions: Sequence[str]) -> list[int]:
        """Checksums under which states remember these action words; the words are kept to name reasons."""
        known = self._actions
        for action in actions:
            if action not in known:
                known[action] = action_key(action)
        return [known[action] for action in actions]

    def _moved(self, part: UserPartition, rows: Longs) -> KeyValues:
        """Vectors of those of the rows that have one: an event has moved them."""
        states = self.layout.view(part.take(rows))
        moved = self.model.counts(states["model"]) > 0
        return self.vectors(part, rows[moved], states[moved])

    def vectors(self, part: UserPartition, rows: Longs, states: Any) -> KeyValues:
        """Vector records of users' states."""
        model, users = states["model"], [part.users[row] for row in rows.tolist()]
        counts, as_of, vectors = self.model.counts(model), self.model.times(model), self.model.interest(model)
        return self.writer.vectors(part.partition, users, states, counts, as_of, vectors)

    def _excluded(self, part: UserPartition, row: int) -> list[int]:
        if not self.options.exclude_consumed:
            return []
        row_of_key = self.catalog.row_of_key
        return [row_of_key[key] for key in part.consumed.keys(row) if key in row_of_key]

    def _event(self, waiting: Waiting) -> Event:
        # Checked when it began to wait: limits that were tightened since do not lose it.
        return decode_stored(waiting.event)

    def _book(self, part: UserPartition, decoded: Decoded, outcomes: Counter[str]) -> None:
        if decoded.released:
            outcomes["waiting"] -= len(decoded.events)
        else:
            self.weighing.unknown.count(decoded.events)
            outcomes["read"] += decoded.read_after(part.watermark)
            part.watermark = max(part.watermark, decoded.last_offset)
        part.books.update(outcomes)
