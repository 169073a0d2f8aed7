"""What happens to a batch of events: decode, encode, update, recommend. READ THIS FIRST.

Pure: records in, records out; no Kafka, no clock, no threads. The agents call these verbs in this order, and
so do the replay and the tests, which is why they give the same vectors bit for bit. One thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.batch import Batch, action_key
from streams.changelog import Waiting
from streams.events import Event, Limits, Rejected, SourceRecord, decode_canonical_batch, decode_stored
from streams.interest.base import Floats, InterestModel, Longs
from streams.outputs import Writer
from streams.recommend import Catalog, Queries, Recommender, explain
from streams.rendering import Quoted, ranked_items, remembered
from streams.signals import Weighing
from streams.store import Layout, PartitionState

KeyValues = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """What the flow needs of the settings; see there for how to choose each."""

    limits: Limits
    top_k: int = 20
    reasons: int = 3
    recommend: bool = True
    exclude_consumed: bool = True
    consuming_actions: frozenset[str] = frozenset()
    waiting_per_user: int = 64
    waiting_per_partition: int = 100_000
    # Part of an event's text in its vector beside its item's; an event without item is its text alone.
    text_share: float = 0.3


@dataclass(slots=True)
class Decoded:
    """A batch of one partition as events. offsets, recorded (ms): (n,) of each event's record."""

    events: list[Event]
    offsets: Longs
    recorded: Longs
    last_offset: int = -1
    rejected: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    released: bool = False  # events that waited for their item: read and booked once before

    def read_after(self, offset: int) -> int:
        """How many records lie behind an offset."""
        rejected = sum(record.offset > offset for record, _ in self.rejected)
        return int((self.offsets > offset).sum()) + rejected

    def texts(self) -> list[str]:
        """Free texts to encode, in order of the events that have one."""
        return [event.text for event in self.events if event.text]


@dataclass(slots=True)
class Updated:
    """What a batch changed: changelog records in order, interest vectors, and the outcomes by name."""

    state: KeyValues
    vectors: KeyValues
    outcomes: Counter[str]
    touched: int


class Flow:
    """Owns the users' states and the catalogue; everything else is handed in."""

    def __init__(
        self,
        model: InterestModel,
        layout: Layout,
        catalog: Catalog,
        recommender: Recommender,
        weighing: Weighing,
        writer: Writer,
        options: FlowOptions,
    ) -> None:
        self.model, self.layout, self.catalog = model, layout, catalog
        self.recommender, self.weighing, self.writer, self.options = recommender, weighing, writer, options
        self.partitions: dict[int, PartitionState] = {}
        self._actions: dict[str, int] = {}
        self._quoted = Quoted()

    def decode(self, records: Sequence[SourceRecord]) -> Decoded:
        """Canonical events of one partition's records, in order; what is no event is rejected, not lost."""
        results = decode_canonical_batch(records, self.options.limits)
        rejected = [(r, e) for r, e in zip(records, results, strict=True) if isinstance(e, Rejected)]
        kept = [r for r, e in zip(records, results, strict=True) if type(e) is Event] if rejected else records
        return Decoded(
            events=[e for e in results if type(e) is Event],
            offsets=np.array([record.offset for record in kept], dtype=np.int64),
            recorded=np.array([record.timestamp or 0 for record in kept], dtype=np.int64),
            last_offset=records[-1].offset,
            rejected=rejected,
        )

    def update(self, partition: int, decoded: Decoded, texts: Floats) -> Updated:
        """Fold a batch into the partition's states. texts (t, dim): vectors of `decoded.texts()`."""
        part = self.partitions[partition]
        if decoded.released:
            part.waiting.release({event.item_id or "" for event in decoded.events})
        # What is read again for its outputs is in the books already.
        outcomes = Counter(
            f"rejected.{reason.reason}"
            for record, reason in decoded.rejected
            if record.offset > part.watermark
        )
        batch = Batch.of(self, part, decoded, outcomes)
        changed, states = batch.fold(texts, outcomes)
        part.put(batch.touched, changed)
        self._book(part, decoded, outcomes)
        vectors = self._vectors(part, batch.touched[: batch.signalled], states[: batch.signalled])
        updated = Updated(part.records(batch.touched, changed), vectors, outcomes, len(batch.touched))
        part.trim()
        return updated

    def unpublished(self, partition: int) -> KeyValues:
        """After a recovery: vectors in the state that may never have been published."""
        part = self.partitions[partition]
        rows = part.rows_beyond(part.published)
        states = self.layout.view(part.take(rows))
        moved = self.model.counts(states["model"]) > 0
        return self._vectors(part, rows[moved], states[moved])

    def released(self) -> dict[int, Decoded]:
        """Events whose item is known by now, by partition, ready for `update`; until then they wait on."""
        ready: dict[int, Decoded] = {}
        for number, part in self.partitions.items():
            waiting = part.waiting.waiting_for(part.waiting.rows_by_item.keys() & self.catalog.row_of.keys())
            if waiting:
                ready[number] = Decoded(
                    events=[self._event(w) for w in waiting],
                    offsets=np.array([w.offset for w in waiting], dtype=np.int64),
                    recorded=np.array([w.recorded for w in waiting], dtype=np.int64),
                    released=True,
                )
        return ready

    def still_waiting(self, partition: int, decoded: Decoded) -> bool:
        """True where `update` may apply these released events: they are in the state and still wait there."""
        part = self.partitions.get(partition)
        return part is not None and all(
            event.item_id in part.waiting.rows_by_item for event in decoded.events
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
        return self.writer.recommendations(partition, users, states, self.model.times(model), items)

    def action_keys(self, actions: Sequence[str]) -> list[int]:
        """Checksums under which states remember these action words; the words are kept to name reasons."""
        known = self._actions
        for action in actions:
            if action not in known:
                known[action] = action_key(action)
        return [known[action] for action in actions]

    def _vectors(self, part: PartitionState, rows: Longs, states: Any) -> KeyValues:
        model, users = states["model"], [part.users[row] for row in rows.tolist()]
        counts, as_of, vectors = self.model.counts(model), self.model.times(model), self.model.interest(model)
        return self.writer.vectors(part.partition, users, states, counts, as_of, vectors)

    def _excluded(self, part: PartitionState, row: int) -> list[int]:
        if not self.options.exclude_consumed:
            return []
        row_of_key = self.catalog.row_of_key
        return [row_of_key[key] for key in part.consumed.keys(row) if key in row_of_key]

    def _event(self, waiting: Waiting) -> Event:
        # Checked when it began to wait: limits that were tightened since do not lose it.
        return decode_stored(waiting.event)

    def _book(self, part: PartitionState, decoded: Decoded, outcomes: Counter[str]) -> None:
        if decoded.released:
            outcomes["waiting"] -= len(decoded.events)
        else:
            outcomes["read"] += decoded.read_after(part.watermark)
            part.watermark = max(part.watermark, decoded.last_offset)
        part.books.update(outcomes)
