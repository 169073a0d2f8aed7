"""Where ingest read events, by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from streams.events.columns.events import Longs
from streams.events.columns.records import RecordColumns, one_text
from streams.events.provenance import INDEX_BITS, ORIGIN
from streams.events.records import SourceRecord
from streams.kernels.compiling import compiled
from streams.kernels.names import distinct
from streams.kernels.origins import read

# A source's stream and partition.
Place = tuple[str, int]
_HEADERS = attrgetter("headers")


@dataclass(frozen=True, slots=True)
class OriginColumns:
    """Origins of n events. places: distinct. of: (n,) the place of each event, -1 for none. ranks: (n,)."""

    places: list[Place]
    of: Longs
    ranks: Longs

    def __len__(self) -> int:
        return len(self.of)

    def only(self, indices: Longs) -> OriginColumns:
        """Of the events of these indices."""
        return OriginColumns(self.places, self.of[indices], self.ranks[indices])


def read_origins(
    records: Sequence[SourceRecord], stream_of: Callable[[bytes], str | None]
) -> OriginColumns | None:
    """The origins in the records' headers; None where one is not as ingest writes it, or nothing is compiled.

    stream_of: the stream of what stands before the numbers. Raises ValueError where it is none.
    """
    found = _values(records) if compiled() else None
    if found is None:
        return None
    text, places = found
    spans, ranks = np.empty((len(places), 2), np.int64), np.empty(len(places), np.int64)
    buffer = np.frombuffer(text, np.uint8)
    if not read(buffer, places, INDEX_BITS, spans, ranks):
        return None
    chosen, of = distinct(buffer, spans)
    numbers: dict[Place, int] = {}
    place_of = []
    for begin, length in spans[chosen].tolist():
        place = _place(text[begin : begin + length], stream_of)
        place_of.append(-1 if place is None else numbers.setdefault(place, len(numbers)))
    return OriginColumns(list(numbers), np.array(place_of, dtype=np.int64)[of], ranks)


def _values(records: Sequence[SourceRecord]) -> tuple[bytes, Longs] | None:
    """A text with the origins, and (n, 2) begin and length of each; None where a record has other headers."""
    if isinstance(records, RecordColumns):
        return records.text, records.origins
    headers = list(map(_HEADERS, records))
    if any(len(own) != 1 or own[0][0] != ORIGIN for own in headers if own):
        return None
    return one_text([own[0][1] or b"" if own else b"" for own in headers])


def _place(before: bytes, stream_of: Callable[[bytes], str | None]) -> Place | None:
    head, _, partition = before.rpartition(b"/")
    try:
        stream = stream_of(head)
        return None if stream is None else (stream, int(partition))
    except ValueError:
        return None
