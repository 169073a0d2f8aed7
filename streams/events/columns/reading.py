"""From the bytes of canonical records to columns, without an object per event where nobody needs one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from streams.events.canonical import Event, decode_stored
from streams.events.columns.events import Events, IdBytes, Longs
from streams.events.columns.records import RecordColumns, one_text
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Rejected
from streams.kernels.compiling import compiled
from streams.kernels.records import ACTION, EVENT_ID, ITEM_ID, NAMES, SOURCE, TOLD, USER_ID, read

Decode = Callable[[Sequence[SourceRecord]], Sequence[Event | Rejected]]
Indices = list[int]
# From this share of records that are not plain on, all are decoded alike.
MANY = 4
_VALUE = attrgetter("value")


@dataclass(slots=True)
class Columns:
    """What was read of n records, by column; `streams.kernels.records.read` says what."""

    # The records' values are in it, with PADDING behind them; and (n, 2) begin and length of each.
    text: bytes
    places: Longs
    spans: Longs
    times: Longs
    values: npt.NDArray[np.float64]
    plain: npt.NDArray[np.bool_]


def read_events(
    records: Sequence[SourceRecord], limits: Limits, decode: Decode
) -> tuple[Events, dict[int, Rejected]]:
    """The events of canonical records, in order; and by index the records that are none.

    decode: of records that are not plain, and of all where nothing is compiled.
    """
    columns = _read(records, limits) if compiled() else None
    odd: Indices = [] if columns is None else np.flatnonzero(~columns.plain).tolist()
    if columns is None or len(odd) * MANY > len(records):
        results = decode(records)
        rejected = {i: result for i, result in enumerate(results) if isinstance(result, Rejected)}
        return Events.of([result for result in results if type(result) is Event]), rejected
    # With a plain one behind them, so that not everything fails where all of these do.
    witness = np.flatnonzero(columns.plain)[:1].tolist() if odd else []
    results = decode([records[index] for index in (*odd, *witness)])[: len(odd)] if odd else []
    rejected = {i: result for i, result in zip(odd, results, strict=True) if isinstance(result, Rejected)}
    whole = {i: result for i, result in zip(odd, results, strict=True) if type(result) is Event}
    return _events(columns, whole, rejected), rejected


def _read(records: Sequence[SourceRecord], limits: Limits) -> Columns:
    text, places = _values(records)
    n = len(places)
    longest = np.full(len(NAMES), limits.max_id_length, dtype=np.int64)
    longest[ACTION] = limits.max_action_length
    columns = np.empty((n, TOLD, 2), np.int64), np.empty(n, np.int64), np.empty(n), np.empty(n, bool)
    bounds = limits.max_bytes, limits.min_timestamp_ms, limits.max_timestamp_ms
    read(np.frombuffer(text, np.uint8), places, longest, *bounds, *columns)
    return Columns(text, places, *columns)


def _values(records: Sequence[SourceRecord]) -> tuple[bytes, Longs]:
    """A text with the records' values, PADDING behind it, and (n, 2) begin and length of each."""
    if isinstance(records, RecordColumns):
        return records.text, records.values
    return one_text([value or b"" for value in map(_VALUE, records)])


def _events(columns: Columns, whole: dict[int, Event], rejected: dict[int, Rejected]) -> Events:
    """The events among the records. whole: those that were decoded, by index."""
    text, spans = _with_names(columns, whole)
    for index, event in whole.items():
        columns.times[index] = event.timestamp
        columns.values[index] = np.nan if event.value is None else event.value
    kept = np.arange(len(columns.places))
    if rejected:
        kept = np.delete(kept, list(rejected))
        spans = np.take(spans, kept, axis=0)
    at = {index: position for position, index in enumerate(kept.tolist())} if whole else {}
    loaded = {at[index]: event for index, event in whole.items()}
    ids = IdBytes(text, *(spans[:, field] for field in (EVENT_ID, SOURCE, ITEM_ID)))
    return Events(
        ids.names(spans[:, USER_ID]),
        ids.names(spans[:, ACTION]),
        columns.times[kept],
        columns.values[kept],
        {index: event.text for index, event in loaded.items() if event.text},
        _loader(text, columns.places[kept]),
        loaded,
        id_bytes=ids,
    )


def _loader(text: bytes, places: Longs) -> Callable[[int], Event]:
    def load(index: int) -> Event:
        begin, length = places[index].tolist()
        return decode_stored(text[begin : begin + length])

    return load


def _with_names(columns: Columns, whole: dict[int, Event]) -> tuple[bytes, Longs]:
    """The text with the names of decoded events behind it, and the spans with their places."""
    if not whole:
        return columns.text, columns.spans
    behind, at = [columns.text], len(columns.text)
    for index, event in whole.items():
        names = {USER_ID: event.user_id, ITEM_ID: event.item_id, ACTION: event.action}
        columns.spans[index] = at, 0
        for field, name in names.items():
            behind.append((name or "").encode())
            columns.spans[index, field] = at, len(behind[-1])
            at += len(behind[-1])
    return b"".join(behind), columns.spans
