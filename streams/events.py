"""Canonical events: bytes <-> objects, and why a record is none.

Bad input is a value, not a crash: `Event | Rejected`. A rejection's reason is also its metric label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

Headers = Sequence[tuple[str, bytes]]

DECODE_STAGE = "update.decode"
# Brackets in a value below this cannot nest deeper than any sensible limit; above it, they are counted.
FEW_BRACKETS = 32


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


class Reason(StrEnum):
    """Why a record is rejected; the metric label and the header `interestflow.reason`."""

    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    MISSING_USER = "missing_user"
    EMPTY_ID = "empty_id"
    ID_TOO_LONG = "id_too_long"
    ID_CONTROL_CHARACTERS = "id_control_characters"
    MISSING_ACTION = "missing_action"
    ACTION_TOO_LONG = "action_too_long"
    MISSING_TIMESTAMP = "missing_timestamp"
    BAD_TIMESTAMP = "bad_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    TEXT_TOO_LONG = "text_too_long"
    BAD_ENVELOPE = "bad_envelope"
    UNSUPPORTED_CONTENT_TYPE = "unsupported_content_type"
    HANDLING_FAILED = "handling_failed"


class Rejected(NamedTuple):
    """A record that is no event. message: for the producer's people, says what to do; stage: where."""

    reason: Reason
    message: str
    stage: str


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what is read; sizes in bytes or characters, times in milliseconds since the epoch."""

    max_bytes: int = 1_048_576
    max_depth: int = 32
    max_id_length: int = 256
    max_action_length: int = 64
    max_text_length: int = 10_000
    min_timestamp_ms: int = 631_152_000_000  # 1990-01-01; seconds taken for milliseconds fall below it
    max_timestamp_ms: int = 7_258_118_400_000  # 2200-01-01


class SourceRecord(Protocol):
    """A Kafka record as aiokafka gives it; timestamp in milliseconds, None or negative where unknown."""

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


_decode = msgspec.json.Decoder(Event).decode
encode = msgspec.json.Encoder().encode


def decode_canonical(record: SourceRecord, limits: Limits) -> Event | Rejected:
    """The canonical event in a record's value."""
    value = record.value
    if (problem := envelope_problem(value, limits, DECODE_STAGE)) is not None:
        return problem
    try:
        event = _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return json_problem(error, value or b"", DECODE_STAGE)
    return event_problem(event, limits, DECODE_STAGE) or event


def decode_stored(value: bytes) -> Event:
    """An event that we encoded ourselves."""
    return _decode(value)


def decode_canonical_batch(records: Sequence[SourceRecord], limits: Limits) -> list[Event | Rejected]:
    """`decode_canonical` of each; a record with nothing unusual takes the short way."""
    brackets, largest, decode = min(FEW_BRACKETS, limits.max_depth), limits.max_bytes, _decode
    results: list[Event | Rejected] = []
    for record in records:
        value = record.value
        if value and len(value) <= largest and value.count(b"{") + value.count(b"[") <= brackets:
            try:
                event = decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                if _is_plain(event, limits):
                    results.append(event)
                    continue
        results.append(decode_canonical(record, limits))
    return results


def _is_plain(event: Event, limits: Limits) -> bool:
    """True for nearly every event that is right; what is false here is looked at in detail."""
    user, item, session = event.user_id, event.item_id, event.session_id
    longest = limits.max_id_length
    return (
        0 < len(user) <= longest
        and user.isprintable()
        and (item is None or (0 < len(item) <= longest and item.isprintable()))
        and (session is None or 0 < len(session) <= longest)
        and 0 < len(event.action) <= limits.max_action_length
        and limits.min_timestamp_ms <= event.timestamp <= limits.max_timestamp_ms
        and 0 < len(event.event_id) <= longest
        and event.text is None
        and event.recommendation_id is None
    )


def envelope_problem(value: bytes | None, limits: Limits, stage: str) -> Rejected | None:
    """What can be said of a value before it is parsed."""
    if not value:
        return Rejected(Reason.EMPTY_VALUE, "the record has no value; send a JSON object", stage)
    if len(value) > limits.max_bytes:
        message = f"{len(value)} bytes, more than the limit of {limits.max_bytes} (INTERESTFLOW_LIMIT_BYTES)"
        return Rejected(Reason.TOO_LARGE, message, stage)
    if value.count(b"{") + value.count(b"[") > min(FEW_BRACKETS, limits.max_depth) and (
        depth(value, limits.max_depth) > limits.max_depth
    ):
        message = f"nested deeper than {limits.max_depth} (INTERESTFLOW_LIMIT_DEPTH)"
        return Rejected(Reason.TOO_DEEP, message, stage)
    return None


def depth(value: bytes, limit: int) -> int:
    """Deepest nesting of brackets outside strings; stops counting just above the limit."""
    deepest = level = 0
    quoted = escaped = False
    for byte in value:
        if quoted:
            quoted = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            quoted = True
        elif byte in b"{[":
            level += 1
            if level > deepest:
                deepest = level
                if deepest > limit:
                    break
        elif byte in b"}]":
            level -= 1
    return deepest


def json_problem(error: Exception, value: bytes, stage: str) -> Rejected:
    """Why a value did not parse, by what the parser said."""
    said = str(error)[:200]
    if isinstance(error, RecursionError):
        return Rejected(Reason.TOO_DEEP, "nested too deep", stage)
    if isinstance(error, msgspec.ValidationError):
        return _type_problem(said, stage)
    try:
        value.decode()
    except UnicodeDecodeError:
        return Rejected(Reason.NOT_UTF8, "the value is not UTF-8", stage)
    if b"NaN" in value or b"Infinity" in value:
        return Rejected(Reason.NOT_FINITE, "NaN and Infinity are no JSON numbers; leave the field out", stage)
    if "out of range" in said:
        return Rejected(Reason.NOT_FINITE, f"a number is out of range: {said}", stage)
    return Rejected(Reason.NOT_JSON, f"not JSON: {said}", stage)


def _type_problem(said: str, stage: str) -> Rejected:
    missing = {
        "`user_id`": Reason.MISSING_USER,
        "`action`": Reason.MISSING_ACTION,
        "`timestamp`": Reason.MISSING_TIMESTAMP,
        "`event_id`": Reason.EMPTY_ID,
    }
    if "missing required field" in said:
        reason = next((found for field, found in missing.items() if field in said), Reason.WRONG_TYPE)
        return Rejected(reason, said, stage)
    if "got `null`" in said and "$.user_id" in said:
        return Rejected(Reason.MISSING_USER, "user_id is null", stage)
    if said.startswith("Expected `object`") and "at `$." not in said:
        return Rejected(Reason.NOT_AN_OBJECT, "the value is JSON, but not an object", stage)
    if "out of range" in said:
        return Rejected(Reason.NOT_FINITE, f"a number is out of range: {said}", stage)
    return Rejected(Reason.WRONG_TYPE, said, stage)


def event_problem(event: Event, limits: Limits, stage: str) -> Rejected | None:
    """What is wrong with an event of the right types, or None."""
    if not event.user_id:
        return Rejected(Reason.MISSING_USER, "user_id is empty", stage)
    for name in ("user_id", "item_id", "event_id", "session_id", "recommendation_id"):
        if (problem := _id_problem(name, getattr(event, name), limits, stage)) is not None:
            return problem
    if not event.action:
        return Rejected(Reason.MISSING_ACTION, "action is empty", stage)
    if len(event.action) > limits.max_action_length:
        message = f"action is longer than {limits.max_action_length} characters"
        return Rejected(Reason.ACTION_TOO_LONG, message, stage)
    if not limits.min_timestamp_ms <= event.timestamp <= limits.max_timestamp_ms:
        message = (
            f"timestamp {event.timestamp} is before 1990 or after 2200: timestamps are milliseconds, UTC"
        )
        return Rejected(Reason.TIMESTAMP_OUT_OF_RANGE, message, stage)
    if event.value is not None and not math.isfinite(event.value):
        return Rejected(Reason.NOT_FINITE, "value is not a finite number", stage)
    if event.text is not None and len(event.text) > limits.max_text_length:
        message = f"text is longer than {limits.max_text_length} characters (INTERESTFLOW_LIMIT_TEXT_LENGTH)"
        return Rejected(Reason.TEXT_TOO_LONG, message, stage)
    return None


def _id_problem(name: str, given: str | None, limits: Limits, stage: str) -> Rejected | None:
    if given is None:
        return None
    if not given:
        return Rejected(Reason.EMPTY_ID, f"{name} is empty; leave it out or fill it", stage)
    # A recommendation's id holds its user's, so it is longer by what stands around it.
    longest = limits.max_id_length + (96 if name == "recommendation_id" else 0)
    if len(given) > longest:
        return Rejected(Reason.ID_TOO_LONG, f"{name} is longer than {longest} characters", stage)
    if name in ("user_id", "item_id") and any(ord(c) < 32 or ord(c) == 127 for c in given):
        return Rejected(Reason.ID_CONTROL_CHARACTERS, f"{name} holds control characters", stage)
    return None


def origin_headers(record: SourceRecord) -> list[tuple[str, bytes]]:
    """Headers of a canonical record that say which record it was made of."""
    return [
        ("interestflow.source.topic", record.topic.encode()),
        ("interestflow.source.partition", b"%d" % record.partition),
        ("interestflow.source.offset", b"%d" % record.offset),
    ]


def rejected_headers(record: SourceRecord, rejected: Rejected) -> list[tuple[str, bytes]]:
    """The original headers, then those of Kafka Connect's dead letter queue, then the reason."""
    return [
        *record.headers,
        ("__connect.errors.topic", record.topic.encode()),
        ("__connect.errors.partition", b"%d" % record.partition),
        ("__connect.errors.offset", b"%d" % record.offset),
        ("__connect.errors.stage", rejected.stage.encode()),
        ("__connect.errors.exception.class.name", b"interestflow.Rejected"),
        ("__connect.errors.exception.message", rejected.message.encode("utf-8", "backslashreplace")),
        ("interestflow.reason", rejected.reason.encode()),
    ]


def default_event_id(record: SourceRecord) -> str:
    """The id of an event whose producer gave none: the same whenever the record is read again."""
    return f"{record.topic}-{record.partition}-{record.offset}"
