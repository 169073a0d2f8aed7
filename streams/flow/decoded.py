"""A batch of one partition as events, and what it changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.events.canonical import Event, Rejected, SourceRecord
from streams.events.provenance import Origin
from streams.interest.base import Floats, Longs

KeyValues = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Decoded:
    """A batch of one partition as events. offsets, recorded (ms): (n,) of each event's record.

    refused: events by index that cannot be encoded. scores: sentiment, -1 to 1, of the texts that are scored, by
    their event's index. told: what events say in words, by index, in place of their items. records: (n,) theirs,
    none of events that had waited. origins: (n,) where ingest had them from; empty where no event has one. keys: (n,)
    of the ids of events that had waited.
    """

    events: list[Event]
    offsets: Longs
    recorded: Longs
    last_offset: int = -1
    rejected: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    released: bool = False  # events that waited for their item: read and booked once before
    refused: dict[int, Rejected] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)
    records: Sequence[SourceRecord] = ()
    origins: Sequence[Origin | None] = ()
    keys: Sequence[int] = ()

    def read_after(self, offset: int) -> int:
        """How many records lie behind an offset."""
        rejected = sum(record.offset > offset for record, _ in self.rejected)
        return int((self.offsets > offset).sum()) + rejected

    def texts(self) -> list[str]:
        """Texts to encode: free ones, in order of the events that have one and are not refused, then the told ones."""
        own = [self.events[index].text or "" for index in self._speaking()]
        return own + [text for index, text in self.told.items() if index not in self.refused]

    def text_events(self) -> list[int]:
        """The index of the event of each of `texts()`."""
        return self._speaking() + [index for index in self.told if index not in self.refused]

    def text_positions(self) -> tuple[Longs, Longs]:
        """(n,) indices among `texts()`, of which none is refused, of each event's own text and of what is told of it;
        -1 where there is none."""
        has = np.array([bool(event.text) for event in self.events], dtype=bool)
        told_at = np.full(len(self.events), -1, dtype=np.int64)
        told_at[list(self.told)] = int(has.sum()) + np.arange(len(self.told))
        return np.where(has, np.cumsum(has) - 1, -1), told_at

    def saying(self, actions: Container[str]) -> list[int]:
        """Indices of the events of these actions that have a text and are not refused."""
        return [index for index in self._speaking() if self.events[index].action in actions]

    def refuse(self, texts: Mapping[int, Rejected]) -> None:
        """Leave out the events of these texts, by their index in `texts`."""
        events = self.text_events()
        self.refused.update({events[index]: reason for index, reason in texts.items()})

    def ready(self) -> Sequence[int]:
        """Indices of the events that are not refused."""
        everything = range(len(self.events))
        return [i for i in everything if i not in self.refused] if self.refused else everything

    def share(self, indices: Sequence[int], texts: Floats) -> tuple[Decoded, Floats]:
        """The events of these indices by themselves. texts (t, dim): vectors of `texts()`."""
        if len(indices) == len(self.events):
            return self, texts
        events, place = [self.events[i] for i in indices], {index: at for at, index in enumerate(indices)}
        rows = [row for row, index in enumerate(self.text_events()) if index in place]
        chosen = np.array(indices, dtype=np.int64)
        offsets, recorded = self.offsets[chosen], self.recorded[chosen]
        scores = {place[index]: score for index, score in self.scores.items() if index in place}
        told = {place[index]: text for index, text in self.told.items() if index in place}
        origins = [self.origins[i] for i in indices] if self.origins else ()
        keys = [self.keys[i] for i in indices] if self.keys else ()
        part = Decoded(events, offsets, recorded, released=self.released, scores=scores, told=told)
        part.origins, part.keys = origins, keys
        return part, texts[rows]

    def _speaking(self) -> list[int]:
        return [i for i, event in enumerate(self.events) if event.text and i not in self.refused]


@dataclass(slots=True)
class Updated:
    """What a batch changed: changelog records in order, interest vectors, and the outcomes by name.

    rows: (n,) whose the changelog records are. isolated: records that are events, but could not be handled.
    """

    state: KeyValues
    vectors: KeyValues
    outcomes: Counter[str]
    rows: Longs
    isolated: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Sequence[Updated]) -> Updated:
        """What runs of one batch changed, one after the other."""
        if len(runs) == 1:
            return runs[0]
        state = dict(record for run in runs for record in run.state)
        rows = dict.fromkeys(row for run in runs for row in run.rows.tolist())
        vectors = dict(record for run in runs for record in run.vectors)
        outcomes = Counter[str]()
        for run in runs:
            outcomes.update(run.outcomes)
        return cls(list(state.items()), list(vectors.items()), outcomes, np.array(list(rows), dtype=np.int64))
