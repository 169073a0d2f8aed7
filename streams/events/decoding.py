"""Bytes of the canonical topic into events: a record by itself, or a run of records at once.

Bad input is a value, not a crash: `Event | Rejected`. A rejection's reason is also its metric label.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams.events import forgiven as kinds
from streams.events.canonical import Event, decode_stored, default_event_id, event_problem
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.near_misses import LISTS, hint, recognised
from streams.events.records import SourceRecord
from streams.events.rejections import MISSING, Limits, Reason, Rejected, envelope_problem, type_problem
from streams.events.runs import RUN, decode_run, in_range, lines
from streams.events.wrappings import Loaded, load

DECODE_STAGE = "update.decode"
_LIST_NAMES = tuple(f'"{name}"'.encode() for name in LISTS)

_decode_lines = msgspec.json.Decoder(Event).decode_lines


def decode_canonical(
    record: SourceRecord, limits: Limits, forgiven: Forgiven | None = None
) -> Event | Rejected:
    """The canonical event in a record's value. Types are strict; empty ids are absent, as in the other formats.

    forgiven: counts what was not as documented.
    """
    value, forgiven = record.value, forgiven or Forgiven()
    if (problem := envelope_problem(value, limits, DECODE_STAGE)) is not None:
        return problem
    try:
        event = decode_stored(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            event = _decode_forgiving(record, limits, forgiven)
        except Invalid as invalid:
            return invalid.rejected(DECODE_STAGE)
    _empty_ids_away(event, record, limits, forgiven)
    return event_problem(event, limits, DECODE_STAGE) or _order_problem(event, value or b"") or event


def _decode_forgiving(record: SourceRecord, limits: Limits, forgiven: Forgiven) -> Event:
    """An event that is wrapped, cut within a character, or without an id. Raises Invalid."""
    loaded = load(record.value or b"")
    for kind in loaded.wrapped:
        forgiven.note("value", kind)
    given = loaded.fields
    if given.get("event_id") is None:
        if "event_id" in given:
            forgiven.note("event_id", kinds.NULL)
        given["event_id"] = default_event_id(record, limits)
    try:
        event: Event = msgspec.convert(given, Event)
    except msgspec.ValidationError as error:
        raise _canonical_problem(loaded, str(error)) from error
    fields = Fields(given, forgiven, loaded.damaged)
    for name in ("event_id", "user_id", "item_id", "action"):
        fields.require_whole(name, getattr(event, name) or "")
    return event


def _canonical_problem(loaded: Loaded, said: str) -> Invalid:
    given = loaded.fields
    for name in ("user_id", "action", "timestamp"):
        if given.get(name) is None:
            looks = recognised(given)
            return Invalid(MISSING[name], looks or f"{name} is missing{hint(given, name)}")
    problem = type_problem(said[:200], DECODE_STAGE)
    return Invalid(problem.reason, problem.message)


def _empty_ids_away(event: Event, record: SourceRecord, limits: Limits, forgiven: Forgiven) -> None:
    if not event.event_id:
        forgiven.note("event_id", kinds.EMPTY)
        event.event_id = default_event_id(record, limits)
    for name in ("item_id", "session_id", "recommendation_id"):
        if getattr(event, name) == "":
            forgiven.note(name, kinds.EMPTY)
            setattr(event, name, None)


def _may_list(value: bytes) -> bool:
    """Cheap: true where a value may have a list of products."""
    return any(name in value for name in _LIST_NAMES)


def _order_problem(event: Event, value: bytes) -> Rejected | None:
    """The rejection of an event that would move nothing, and has a list of products in place of an item."""
    if event.item_id is not None or event.text or not _may_list(value):
        return None
    given = load(value).fields
    if (name := next((name for name in LISTS if given.get(name)), None)) is None:
        return None
    message = (
        f"item_id is missing, and {name} is not read: a canonical event names one item; send one event per product, or "
        f"give the topic the format native (INTERESTFLOW_SOURCES)"
    )
    return Rejected(Reason.MISSING_ITEM, message, DECODE_STAGE)


def decode_canonical_batch(
    records: Sequence[SourceRecord], limits: Limits, forgiven: Forgiven | None = None
) -> list[Event | Rejected]:
    """`decode_canonical` of each; runs of records with nothing wrong are decoded and checked at once."""
    results: list[Event | Rejected] = []
    for first in range(0, len(records), RUN):
        run = records[first : first + RUN]
        events = _decode_run([record.value for record in run], limits)
        results += events or [decode_canonical(record, limits, forgiven) for record in run]
    return results


def _decode_run(values: list[bytes | None], limits: Limits) -> list[Event] | None:
    events = decode_run(values, lines(values), limits, _decode_lines)
    if events is None or not in_range([event.timestamp for event in events], limits):
        return None
    of_nothing = [v for e, v in zip(events, values, strict=True) if e.item_id is None and not e.text]
    return None if any(_may_list(value or b"") for value in of_nothing) else events
