"""A batch of one partition as events, and what it changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from streams.events.columns.events import Events
from streams.events.columns.origins import OriginColumns, read_origins
from streams.events.columns.records import RecordColumns
from streams.events.provenance import Origin, OriginReader
from streams.events.records import SourceRecord
from streams.events.rejections import Rejected
from streams.flow.feedback.impressions import NOTHING_JOINED, Joined
from streams.flow.learning.said import NOTHING_SAID, Said
from streams.interest.base import Floats, ItemDeltas, Longs

KeyValues = list[tuple[bytes, bytes]]
_OFFSET, _APPENDED, _TIMESTAMP, _HEADERS = map(attrgetter, ("offset", "appended", "timestamp", "headers"))


@dataclass(slots=True)
class Decoded:
    """A batch of one partition as n events; indices of events count from 0."""

    events: Events
    # (n,) offset of each event's record.
    offsets: Longs
    # (n,) when the broker took each event's record, milliseconds; 0 where it did not say.
    recorded: Longs
    # Of the batch's last record, whether it is an event or not.
    last_offset: int = -1
    # Records that are no events.
    rejected: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    # True of events that waited for their item: they were read and booked before.
    waited: bool = False
    # Events that must not be folded, by index, with the reason.
    refused: dict[int, Rejected] = field(default_factory=dict)
    # Sentiment, -1 to 1, of the texts that are scored, by their event's index.
    scores: dict[int, float] = field(default_factory=dict)
    # Filled templates, which are encoded in place of the events' items, by index.
    sentences: dict[int, str] = field(default_factory=dict)
    # (n,) the events' records; empty for events that waited.
    records: Sequence[SourceRecord] = ()
    # (n,) where ingest read each event; empty where no event says so.
    origins: OriginColumns | Sequence[Origin | None] = ()
    # (n,) key of each event's id for events that waited; empty for others.
    keys: Sequence[int] = ()

    @classmethod
    def of(
        cls,
        records: Sequence[SourceRecord],
        events: Events,
        rejected: Mapping[int, Rejected],
        origins: OriginReader,
    ) -> Decoded:
        """Records of one partition, at least one, with the events in them; rejected: those that are none, by index."""
        kept = _without(records, rejected) if rejected else records
        return cls(
            events=events,
            offsets=_offsets(kept),
            recorded=_recorded(kept),
            last_offset=records[-1].offset,
            rejected=[(records[index], reason) for index, reason in rejected.items()],
            records=kept,
            origins=_origins(kept, origins),
        )

    def read_after(self, offset: int) -> int:
        """How many of the records stand behind an offset."""
        rejected = sum(record.offset > offset for record, _ in self.rejected)
        return int((self.offsets > offset).sum()) + rejected

    def texts(self) -> list[str]:
        """The t texts to encode, none of a refused event: the events' own in order, then the sentences."""
        own = [self.events.texts[index] for index in self._with_text()]
        return own + [text for index, text in self.sentences.items() if index not in self.refused]

    def text_events(self) -> list[int]:
        """The index of the event of each of `texts()`."""
        return self._with_text() + [index for index in self.sentences if index not in self.refused]

    def text_positions(self) -> tuple[Longs, Longs]:
        """(n,) each: the indices among `texts()` of each event's own text and of its sentence; -1 for none.

        Only where no event is refused.
        """
        texts, sentences = list(self.events.texts), list(self.sentences)
        text_at, sentence_at = np.full((2, len(self.events)), -1, dtype=np.int64)
        text_at[texts] = np.arange(len(texts))
        sentence_at[sentences] = len(texts) + np.arange(len(sentences))
        return text_at, sentence_at

    def with_text(self, actions: Container[str]) -> list[int]:
        """Indices of the events of these actions that have a text and are not refused."""
        named = self.events.actions
        return [index for index in self._with_text() if named.known[named.of[index]] in actions]

    def refuse_texts(self, rejected: Mapping[int, Rejected], vectors: Floats) -> Floats:
        """Refuse the events of texts that could not be encoded, by their index in `texts()`.

        vectors: of the other texts. Returns those of `texts()` as it is then: an event with two texts is refused
        for one of them and takes the other's vector with it.
        """
        if not rejected:
            return vectors
        events = self.text_events()
        encoded = [event for index, event in enumerate(events) if index not in rejected]
        self.refused.update({events[index]: reason for index, reason in rejected.items()})
        return vectors[[row for row, event in enumerate(encoded) if event not in self.refused]]

    def ready(self) -> Sequence[int]:
        """Indices of the events that are not refused."""
        everything = range(len(self.events))
        return [i for i in everything if i not in self.refused] if self.refused else everything

    def subset(self, indices: Sequence[int], texts: Floats) -> tuple[Decoded, Floats]:
        """The events of these indices, none refused, and their texts' vectors. texts (t, dim): of `texts()`."""
        if len(indices) == len(self.events):
            return self, texts
        at = {index: position for position, index in enumerate(indices)}
        rows = [row for row, index in enumerate(self.text_events()) if index in at]
        chosen = np.array(indices, dtype=np.int64)
        some = Decoded(
            events=self.events.only(chosen),
            offsets=self.offsets[chosen],
            recorded=self.recorded[chosen],
            waited=self.waited,
            scores={at[index]: score for index, score in self.scores.items() if index in at},
            sentences={at[index]: text for index, text in self.sentences.items() if index in at},
            origins=_chosen(self.origins, chosen),
            keys=[self.keys[i] for i in indices] if self.keys else (),
        )
        return some, texts[rows]

    def _with_text(self) -> list[int]:
        return [index for index in self.events.texts if index not in self.refused]


def _without(records: Sequence[SourceRecord], indices: Container[int]) -> Sequence[SourceRecord]:
    kept = [index for index in range(len(records)) if index not in indices]
    if isinstance(records, RecordColumns):
        return records.only(np.array(kept, dtype=np.int64))
    return [records[index] for index in kept]


def _offsets(records: Sequence[SourceRecord]) -> Longs:
    if isinstance(records, RecordColumns):
        return records.offsets
    return np.fromiter(map(_OFFSET, records), np.int64, len(records))


def _origins(
    records: Sequence[SourceRecord], reader: OriginReader
) -> OriginColumns | Sequence[Origin | None]:
    if not (records.have_origins if isinstance(records, RecordColumns) else any(map(_HEADERS, records))):
        return ()
    return read_origins(records, reader.stream_of) or reader.read(records)


def _chosen(
    origins: OriginColumns | Sequence[Origin | None], indices: Longs
) -> OriginColumns | Sequence[Origin | None]:
    if isinstance(origins, OriginColumns):
        return origins.only(indices)
    return [origins[index] for index in indices.tolist()] if origins else ()


def _recorded(records: Sequence[SourceRecord]) -> Longs:
    if isinstance(records, RecordColumns):
        return records.recorded
    appended = list(map(_APPENDED, records))
    if not any(appended):
        return np.zeros(len(records), dtype=np.int64)
    if all(appended):
        return np.array([timestamp or 0 for timestamp in map(_TIMESTAMP, records)], dtype=np.int64)
    return np.array([r.timestamp or 0 if r.appended else 0 for r in records], dtype=np.int64)


@dataclass(slots=True)
class Updated:
    """What a batch changed."""

    # Changelog records, in order.
    state: KeyValues
    # Interest vectors.
    vectors: KeyValues
    # How many events ended in which way.
    outcomes: Counter[str]
    # (n,) the users' rows of the changelog records.
    rows: Longs
    # Records that are events, but could not be handled.
    isolated: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    # What the model says of items, each with the offsets (m,) of the events that it comes from.
    item_deltas: list[tuple[Longs, ItemDeltas]] = field(default_factory=list)
    # What its events say of items, where the stream learns of them.
    said: Said = NOTHING_SAID
    # Users' rows (m,), the catalog rows (m,) that they used and when (m,), where a recommender learns from them.
    used: list[tuple[Longs, Longs, Longs]] = field(default_factory=list)
    # What became of impressions; and whether that is counted in the partition, to be written ahead of `state`.
    joined: Joined = NOTHING_JOINED
    counted: bool = False

    @classmethod
    def of(cls, runs: Sequence[Updated]) -> Updated:
        """What runs of one batch changed, one after the other."""
        if len(runs) == 1:
            return runs[0]
        state = dict(record for run in runs for record in run.state)
        vectors = [record for run in runs for record in run.vectors]
        rows = np.array(list(dict.fromkeys(row for run in runs for row in run.rows.tolist())), dtype=np.int64)
        outcomes = Counter[str]()
        for run in runs:
            outcomes.update(run.outcomes)
        deltas, said = (
            [delta for run in runs for delta in run.item_deltas],
            Said.of([run.said for run in runs]),
        )
        used = [one for run in runs for one in run.used]
        return cls(
            *(list(state.items()), vectors, outcomes, rows),
            item_deltas=deltas,
            said=said,
            used=used,
            joined=Joined.of([run.joined for run in runs]),
        )
