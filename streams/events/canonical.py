"""Canonical events: bytes <-> objects.

Bad input is a value, not a crash: `Event | Rejected`. A rejection's reason is also its metric label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from streams.events import forgiven as kinds
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.near_misses import hint, recognised
from streams.events.rejections import (
    FEW_BRACKETS,
    MISSING,
    Limits,
    Reason,
    Rejected,
    envelope_problem,
    type_problem,
)
from streams.events.wrappings import Loaded, load

# Limits, Reason and Rejected are told here too: what is no event belongs to what is one.
__all__ = [
    "Event",
    "Limits",
    "Reason",
    "Rejected",
    "SourceRecord",
    "decode_canonical",
    "decode_canonical_batch",
    "decode_stored",
    "default_event_id",
    "encode",
    "event_problem",
    "fitting_id",
    "good_record",
    "id_problem",
]

Headers = Sequence[tuple[str, bytes]]

DECODE_STAGE = "update.decode"


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One thing a user did. The wire format is JSON with these names.

    timestamp: event time, integer milliseconds since the epoch, UTC. action: a free word. value: what scales
    the action (a rating, a quantity, a share watched). media: URIs or references. recommendation_id: of the
    recommendation that the event answers. source: who reported it.
    """

    event_id: str
    user_id: str
    action: str
    timestamp: int
    source: str = ""
    item_id: str | None = None
    value: float | None = None
    text: str | None = None
    media: list[str] | None = None
    session_id: str | None = None
    recommendation_id: str | None = None


class SourceRecord(Protocol):
    """A Kafka record (see records.Record); timestamp in milliseconds, None or negative where unknown."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def appended(self) -> bool: ...


# Records decoded at once: one that is wrong sends so many the long way.
RUN = 250

_decode = msgspec.json.Decoder(Event).decode
_decode_lines = msgspec.json.Decoder(Event).decode_lines
encode = msgspec.json.Encoder().encode


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
        event = _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            event = _decode_forgiving(record, limits, forgiven)
        except Invalid as invalid:
            return invalid.rejected(DECODE_STAGE)
    _empty_ids_away(event, record, limits, forgiven)
    return event_problem(event, limits, DECODE_STAGE) or event


def _decode_forgiving(record: SourceRecord, limits: Limits, forgiven: Forgiven) -> Event:
    """An event that is wrapped, cut within a character, or without an id. Raises Invalid."""
    loaded = load(record.value or b"")
    for kind in loaded.wrapped:
        forgiven.note("value", kind)
    given = loaded.fields
    if given.get("event_id") is None:
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


def good_record() -> bytes:
    """The value of a canonical record with nothing wrong, by which a bug is told from poison."""
    return encode(Event("known-good", "known-good", "click", 1_600_000_000_000, item_id="known-good"))


def decode_stored(value: bytes) -> Event:
    """An event that we encoded ourselves."""
    return _decode(value)


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
    """The events of these values, or None where at least one has to be looked at by itself.

    Decoded as lines: as no value holds a line break, as many events as values means one in each.
    """
    given = [value for value in values if value]
    joined = b"\n".join(given)
    brackets = min(FEW_BRACKETS, limits.max_depth)
    # Each has one bracket at least, so no value can have more than what all have beyond one each.
    if (
        len(given) < len(values)
        or joined.count(b"\n") != len(values) - 1
        or max(map(len, given)) > limits.max_bytes
        or (
            joined.count(b"{") + joined.count(b"[") - len(given) >= brackets
            and max(value.count(b"{") + value.count(b"[") for value in given) > brackets
        )
    ):
        return None
    try:
        events = _decode_lines(joined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return events if len(events) == len(values) and _are_right(events, limits) else None


def _are_right(events: list[Event], limits: Limits) -> bool:
    """False where `event_problem` might find one: columns are checked at once, and a little more strictly."""
    longest, users = limits.max_id_length, [event.user_id for event in events]
    items = [event.item_id for event in events if event.item_id is not None]
    rare = [i for e in events for i in (e.session_id, e.recommendation_id) if i is not None]
    texts = [event.text for event in events if event.text is not None]
    times = [event.timestamp for event in events]
    return (
        _within(users, longest)
        and _within(items, longest)
        and _within(rare, longest)
        and _within([event.event_id for event in events], longest)
        and _within([event.action for event in events], limits.max_action_length)
        and "".join(users).isprintable()
        and "".join(items).isprintable()
        and limits.min_timestamp_ms <= min(times)
        and max(times) <= limits.max_timestamp_ms
        and max(map(len, texts), default=0) <= limits.max_text_length
    )


def _within(names: list[str], longest: int) -> bool:
    """True where each has 1 to `longest` characters."""
    lengths = list(map(len, names))
    return not lengths or (min(lengths) > 0 and max(lengths) <= longest)


def event_problem(event: Event, limits: Limits, stage: str) -> Rejected | None:
    """What is wrong with an event of the right types, or None."""
    if not event.user_id:
        return Rejected(Reason.MISSING_USER, "user_id is empty", stage)
    for name in ("user_id", "item_id", "event_id", "session_id", "recommendation_id"):
        if (problem := id_problem(name, getattr(event, name), limits, stage)) is not None:
            return problem
    if not event.action:
        return Rejected(Reason.MISSING_ACTION, "action is empty", stage)
    if len(event.action) > limits.max_action_length:
        message = f"action is longer than {limits.max_action_length} characters"
        return Rejected(Reason.ACTION_TOO_LONG, message, stage)
    if not limits.min_timestamp_ms <= event.timestamp <= limits.max_timestamp_ms:
        told = str(event.timestamp)[:24]
        message = f"timestamp {told} is before 1990 or after 2200: timestamps are milliseconds, UTC"
        return Rejected(Reason.TIMESTAMP_OUT_OF_RANGE, message, stage)
    if event.value is not None and not math.isfinite(event.value):
        return Rejected(Reason.NOT_FINITE, "value is not a finite number", stage)
    if event.text is not None and len(event.text) > limits.max_text_length:
        message = f"text is longer than {limits.max_text_length} characters (INTERESTFLOW_LIMIT_TEXT_LENGTH)"
        return Rejected(Reason.TEXT_TOO_LONG, message, stage)
    return None


def id_problem(name: str, given: str | None, limits: Limits, stage: str) -> Rejected | None:
    """What is wrong with an id that is given, or None."""
    if given is None:
        return None
    if not given:
        return Rejected(Reason.EMPTY_ID, f"{name} is empty; leave it out or fill it", stage)
    # A recommendation's id holds its user's, so it is longer by what stands around it.
    longest = limits.max_id_length + (96 if name == "recommendation_id" else 0)
    if len(given) > longest:
        return Rejected(Reason.ID_TOO_LONG, f"{name} is longer than {longest} characters", stage)
    # Nearly all are printable, which is known at once; of the others only control characters are refused.
    if (
        name in ("user_id", "item_id")
        and not given.isprintable()
        and any(ord(c) < 32 or ord(c) == 127 for c in given)
    ):
        return Rejected(Reason.ID_CONTROL_CHARACTERS, f"{name} holds control characters", stage)
    return None


def default_event_id(record: SourceRecord, limits: Limits) -> str:
    """The id of an event whose producer gave none: the same whenever the record is read again."""
    return fitting_id(f"{record.topic}-{record.partition}-{record.offset}", limits)


def fitting_id(joined: str, limits: Limits) -> str:
    """An id that we make ourselves, of parts that may be long: itself, or its hash where it would not pass."""
    if len(joined) <= limits.max_id_length:
        return joined
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()[
        : limits.max_id_length
    ]
