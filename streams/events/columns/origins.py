"""Where ingest read events, by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streams.events.columns.events import Longs
from streams.events.provenance import INDEX_BITS, ORIGIN
from streams.kernels.compiling import compiled
from streams.kernels.names import distinct
from streams.kernels.origins import read

Headers = Sequence[tuple[str, bytes]]
# A source's stream and partition.
Place = tuple[str, int]


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
    headers: Sequence[Headers], stream_of: Callable[[bytes], str | None]
) -> OriginColumns | None:
    """The origins in the records' headers; None where one is not as ingest writes it, or nothing is compiled.

    stream_of: the stream of what stands before the numbers. Raises ValueError where it is none.
    """
    if not compiled() or any(len(own) != 1 or own[0][0] != ORIGIN for own in headers if own):
        return None
    values = [own[0][1] or b"" if own else b"" for own in headers]
    text, n = b"".join(values), len(values)
    spans, ranks = np.empty((n, 2), np.int64), np.empty(n, np.int64)
    buffer = np.frombuffer(text, np.uint8)
    if not read(buffer, np.cumsum(np.fromiter(map(len, values), np.int64, n)), INDEX_BITS, spans, ranks):
        return None
    chosen, of = distinct(buffer, spans)
    numbers: dict[Place, int] = {}
    place_of = []
    for begin, length in spans[chosen].tolist():
        place = _place(text[begin : begin + length], stream_of)
        place_of.append(-1 if place is None else numbers.setdefault(place, len(numbers)))
    return OriginColumns(list(numbers), np.array(place_of, dtype=np.int64)[of], ranks)


def _place(before: bytes, stream_of: Callable[[bytes], str | None]) -> Place | None:
    head, _, partition = before.rpartition(b"/")
    try:
        stream = stream_of(head)
        return None if stream is None else (stream, int(partition))
    except ValueError:
        return None
