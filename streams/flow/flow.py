"""What happens to a batch of events: decode, encode, update, recommend. READ THIS FIRST.

Pure: records in, records out; no Kafka, no clock, no threads. The worker calls these verbs in this order, and so do
the replay and the tests, which is why they give the same vectors bit for bit. One thread at a time, but for `encode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from encoders.core.base import Encoder
from streams.events.canonical import Event, good_record
from streams.events.columns.reading import read_events
from streams.events.decoding import DECODE_STAGE, decode_canonical, decode_canonical_batch
from streams.events.forgiven import Forgiven
from streams.events.isolation import each
from streams.events.provenance import OriginReader
from streams.events.records import Record, SourceRecord
from streams.events.rejections import Rejected
from streams.flow.decoded import Decoded, KeyValues, Updated
from streams.flow.encoding import STAGE as ENCODE_STAGE
from streams.flow.encoding import Scoring, encode_isolating, score_texts
from streams.flow.event_history import EventHistory
from streams.flow.explaining.explainer import Explainer
from streams.flow.feedback.feedback import Feedback
from streams.flow.folding.folder import EventFolder
from streams.flow.folding.parts import FoldParts
from streams.flow.folding.waiting import ready_events, still_waiting
from streams.flow.learning.next_uses import NextUses
from streams.flow.options import FlowOptions
from streams.flow.outputs import Writer
from streams.flow.queries import QueryBuilder
from streams.flow.rendering import NOTHING_BESIDE, Beside, Quoted, ranked_items
from streams.flow.signals import EventWeights
from streams.interest.base import Floats, InterestModel, Longs
from streams.recommend import Catalog, Queries, Ranked, Recommender
from streams.recommend.abilities import Learner
from streams.state.changelog import TopicIdentity
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition

# What a batch is, and what the flow needs of the settings, can be imported from here too.
__all__ = ["Decoded", "Flow", "FlowOptions", "KeyValues", "Updated"]

KNOWN_GOOD = Record("", 0, 0, None, None, good_record(), ())


class Flow:
    """Owns the users' states and the catalog; everything else is handed in."""

    def __init__(
        self,
        model: InterestModel,
        layout: UserLayout,
        catalog: Catalog,
        recommender: Recommender,
        event_weights: EventWeights,
        writer: Writer,
        options: FlowOptions,
    ) -> None:
        self.model, self.layout, self.catalog = model, layout, catalog
        self.recommender, self.event_weights = recommender, event_weights
        self.writer, self.options = writer, options
        self.partitions: dict[int, UserPartition] = {}
        # The canonical topic, and the reader of the origins in it; see `reads_from`.
        self.source = TopicIdentity(options.topics.canonical, 0)
        self._origins = OriginReader("")
        self._history = EventHistory(layout.history, catalog, event_weights.weight_of)
        told = options.recommendations
        self._queries = QueryBuilder(model, catalog, self._history, told.exclude_consumed)
        self._quoted = Quoted()
        self._explainer = Explainer(catalog, recommender, self._history, told, self._quoted)
        # What is remembered of what users were shown; None where it does not matter.
        self.shown = options.shown
        # Lists that wait for what their users do next; None where nobody learns from it.
        self.next_uses = (
            NextUses(recommender, catalog, options.lists) if isinstance(recommender, Learner) else None
        )
        # What becomes of what was shown; None where nobody asks.
        self.feedback = Feedback.wanted(catalog, recommender, options.feedback, self.next_uses, options.lists)
        self._folder = EventFolder(self._fold_parts())
        self.forgiven = Forgiven()

    def _fold_parts(self) -> FoldParts:
        return FoldParts(
            *(self.model, self.layout, self.catalog, self.event_weights, self.writer, self.options),
            self._history,
            tells_uses=self.next_uses is not None,
            feedback=None if self.feedback is None else self.feedback.join,
        )

    # --- the four verbs ---------------------------------------------------------------------------------

    def decode(self, records: Sequence[SourceRecord]) -> Decoded:
        """Canonical events of one partition's records, in order; what is no event is rejected, not lost."""
        events, rejected = read_events(records, self.options.limits, self._decode_whole)
        decoded = Decoded.of(records, events, rejected, self._origins)
        self.fill_templates(decoded)
        return decoded

    @staticmethod
    def encode(encoder: Encoder, decoded: Decoded, scoring: Scoring | None = None) -> Floats:
        """Vectors (t, dim) of `decoded.texts()`, which are scored too; refuses events without a vector or a score.

        May run on any thread. Raises EverythingFailsError where texts that are known to be good fail too.
        """
        if scoring is not None:
            score_texts(scoring, decoded)
        vectors, rejected = encode_isolating(encoder, decoded.texts(), ENCODE_STAGE)
        return decoded.refuse_texts(rejected, vectors)

    def update(self, partition: int, decoded: Decoded, texts: Floats) -> Updated:
        """Fold a batch into the partition's states. texts (t, dim): vectors of `decoded.texts()`.

        An event that cannot be folded is isolated, and its neighbours are folded as if it had been rejected
        before. Raises EverythingFailsError: then the process must end.
        """
        part = self.partitions[partition]
        if decoded.waited:
            items = decoded.events.items
            part.waiting.release({items.known[number] for number in items.used()})
        updated = self._folder.fold(part, decoded, texts)
        if self.feedback is not None:
            self.feedback.take(self.partitions, partition, updated, decoded.last_offset)
        self._book(part, decoded, updated.outcomes)
        if updated.used:
            self._used(part, _by_user(part, updated))
        part.trim()
        return updated

    def recommend(self, partition: int, rows: Longs) -> KeyValues:
        """Recommendation records for the users of these rows (U,), with reasons."""
        part, catalog = self.partitions[partition], self.catalog
        states = self.layout.view(part.read_rows(rows))
        queries, users = self._queries.build(part, rows, states), [part.users[row] for row in rows.tolist()]
        if self.shown is not None:
            queries = self.shown.tell(partition, users, queries)
        wanted = self.options.recommendations
        ranked = self.recommender.recommend(catalog, queries, wanted.top_k, wanted.reasons)
        events = self._history.rendered(states["history"], queries.history_rows, self._quoted)
        beside = self._beside(partition, users, queries, ranked, states)
        items = ranked_items(catalog.item_ids, ranked, events, self._quoted, beside)
        self._listed(part, users, queries, ranked, states)
        model = states["model"]
        counts, times = self.model.counts(model), self.model.times(model)
        return self.writer.recommendations(partition, users, states, counts, times, items)

    # --- around them ------------------------------------------------------------------------------------

    def reads_from(self, source: TopicIdentity) -> None:
        """Say which canonical topic the records are of, before any is decoded."""
        if source != self.source:
            self.source, self._origins = source, OriginReader(source.topic_id)

    def fill_templates(self, decoded: Decoded) -> bool:
        """Write out the behaviour on items that are known by now; true where there is more to encode than before.

        An item may be learnt while its batch is encoded. So that a replay, which knows it from the start, finds the
        same, `update` is called only once this returns false.
        """
        templates = self.options.templates
        if templates is None:
            return False
        return templates.fill_all(decoded, self.event_weights.base(decoded.events), self.catalog)

    def ready_events(self) -> dict[int, Decoded]:
        """Waiting events whose item is known by now, by partition, for `encode` and `update`; until then they wait."""
        ready = ready_events(self.partitions, self.catalog)
        for decoded in ready.values():
            self.fill_templates(decoded)
        return ready

    def still_waiting(self, partition: int, decoded: Decoded) -> bool:
        """True where `update` may take these ready events: the partition is here, and they wait in it."""
        part = self.partitions.get(partition)
        return part is not None and still_waiting(part, decoded)

    def republish(self, partition: int, rows: Longs) -> Updated:
        """The changelog records and vectors of these rows (n,) once more, as a change of its own."""
        return self._folder.republish(self.partitions[partition], rows)

    def unpublished(self, partition: int) -> KeyValues:
        """After a recovery: vectors in the state that may never have been published."""
        part = self.partitions[partition]
        return self._folder.vectors(part, part.unpublished)

    def _decode_whole(self, records: Sequence[SourceRecord]) -> Sequence[Event | Rejected]:
        """An event object of each record, or why it is none."""
        limits = self.options.limits
        return each(
            records,
            lambda record: decode_canonical(record, limits, self.forgiven),
            DECODE_STAGE,
            probe=lambda: decode_canonical(KNOWN_GOOD, limits),
            at_once=lambda: decode_canonical_batch(records, limits, self.forgiven),
        )

    def _listed(
        self, part: UserPartition, users: Sequence[str], queries: Queries, ranked: Ranked, states: Any
    ) -> None:
        """Users get these lists."""
        if self.next_uses is not None:
            epoch, offsets = part.deliveries.epoch, states["offset"]
            self.next_uses.listed(part.partition, epoch, users, queries, ranked.rows, offsets)
        if self.shown is not None:
            self.shown.listed(part.partition, users, queries, ranked.rows)

    def _used(self, part: UserPartition, used: Mapping[str, Mapping[int, int]]) -> None:
        """Users used items, by catalog row, at these times."""
        if self.next_uses is not None:
            self.next_uses.used(part.partition, part.deliveries.epoch, used)
        if self.shown is not None:
            self.shown.used(part.partition, used)

    def _beside(
        self, partition: int, users: Sequence[str], queries: Queries, ranked: Ranked, states: Any
    ) -> Beside:
        """What is published of each item beside its score and reasons."""
        beside = NOTHING_BESIDE
        if self._explainer.wanted:
            beside = self._explainer.told(queries, ranked, states["history"])
        if self.feedback is not None:
            list_ids = self.writer.list_ids(partition, users, states)
            beside = beside.and_items(self.feedback.ids(queries, ranked, list_ids))
        return beside

    def _book(self, part: UserPartition, decoded: Decoded, outcomes: Counter[str]) -> None:
        if decoded.waited:
            outcomes["waiting"] -= len(decoded.events)
        else:
            self.event_weights.unknown.count(decoded.events)
            outcomes["read"] += decoded.read_after(part.processed_offset)
            part.processed_offset = max(part.processed_offset, decoded.last_offset)
        part.books.update(outcomes)


def _by_user(part: UserPartition, updated: Updated) -> dict[str, dict[int, int]]:
    """The catalog rows that each user used, with their event times."""
    found: dict[str, dict[int, int]] = {}
    for columns in updated.used:
        for user, row, time in zip(*(column.tolist() for column in columns), strict=True):
            found.setdefault(part.users[user], {})[row] = time
    return found
