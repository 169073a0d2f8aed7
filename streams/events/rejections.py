"""Why a record is no event: the reasons, the limits, and what is wrong with bytes before they are an object."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

import msgspec

# Brackets in a value below this cannot nest deeper than any sensible limit; above it, they are counted.
FEW_BRACKETS = 32
STOPPED_AT = re.compile(r"\(byte (\d+)\)")


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
    MISSING_ITEM = "missing_item"
    EMPTY_ID = "empty_id"
    ID_TOO_LONG = "id_too_long"
    ID_CONTROL_CHARACTERS = "id_control_characters"
    MISSING_ACTION = "missing_action"
    ACTION_TOO_LONG = "action_too_long"
    MISSING_TIMESTAMP = "missing_timestamp"
    BAD_TIMESTAMP = "bad_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    TEXT_TOO_LONG = "text_too_long"
    TOO_MANY_EVENTS = "too_many_events"
    FOREIGN_FORMAT = "foreign_format"
    BAD_ENVELOPE = "bad_envelope"
    UNSUPPORTED_CONTENT_TYPE = "unsupported_content_type"
    MEDIA_UNREADABLE = "media_unreadable"
    HANDLING_FAILED = "handling_failed"


# Required fields, absent or null.
MISSING = {
    "user_id": Reason.MISSING_USER,
    "action": Reason.MISSING_ACTION,
    "timestamp": Reason.MISSING_TIMESTAMP,
    "event_id": Reason.EMPTY_ID,
    "item_id": Reason.EMPTY_ID,
}


class Rejected(NamedTuple):
    """A record that is no event. message: for the producer's people, says what to do; stage: where.

    exception: name of the class of what was raised, where we had not foreseen it. event: its index, where the
    record holds several. topic_id: of the record's topic, which is another one once the topic is made anew.
    """

    reason: Reason
    message: str
    stage: str
    exception: str = "interestflow.Rejected"
    event: int | None = None
    topic_id: str = ""


# No event is later, milliseconds: 2200-01-01.
LATEST_MS = 7_258_118_400_000


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what is read; sizes in bytes or characters, times in milliseconds since the epoch."""

    max_bytes: int = 1_048_576
    max_depth: int = 32
    max_id_length: int = 256
    max_action_length: int = 64
    max_text_length: int = 10_000
    max_events: int = 1000  # of one record
    min_timestamp_ms: int = 631_152_000_000  # 1990-01-01; seconds taken for milliseconds fall below it
    max_timestamp_ms: int = LATEST_MS


def size_problem(value: bytes | None, limits: Limits, stage: str) -> Rejected | None:
    """What can be said of a value of any format before it is parsed."""
    if not value:
        return Rejected(Reason.EMPTY_VALUE, "the record has no value", stage)
    if len(value) > limits.max_bytes:
        message = f"{len(value)} bytes, more than the limit of {limits.max_bytes} (INTERESTFLOW_LIMIT_BYTES)"
        return Rejected(Reason.TOO_LARGE, message, stage)
    return None


def envelope_problem(value: bytes | None, limits: Limits, stage: str) -> Rejected | None:
    """What can be said of a JSON value before it is parsed."""
    if not value:
        return Rejected(Reason.EMPTY_VALUE, "the record has no value; send a JSON object", stage)
    if (problem := size_problem(value, limits, stage)) is not None:
        return problem
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
        return type_problem(said, stage)
    try:
        value.decode()
    except UnicodeDecodeError:
        return Rejected(Reason.NOT_UTF8, "the value is not UTF-8", stage)
    if _stands_at_no_number(value, said):
        return Rejected(Reason.NOT_FINITE, "NaN and Infinity are no JSON numbers; leave the field out", stage)
    if "out of range" in said:
        return Rejected(Reason.NOT_FINITE, f"a number is out of range: {said}", stage)
    return Rejected(Reason.NOT_JSON, f"not JSON: {said}", stage)


def _stands_at_no_number(value: bytes, said: str) -> bool:
    """True where the parser stopped at NaN or Infinity, not merely in a value whose texts speak of them."""
    found = STOPPED_AT.search(said)
    return found is not None and value.startswith((b"NaN", b"Infinity"), int(found[1]))


def type_problem(said: str, stage: str) -> Rejected:
    """Why an object does not fit its type, by what the parser said."""
    if "missing required field" in said:
        field = said.split("`")[1]
        return Rejected(MISSING.get(field, Reason.WRONG_TYPE), said, stage)
    if "got `null`" in said and (missing := MISSING.get(said.rpartition("$.")[2].rstrip("`"))) is not None:
        return Rejected(missing, said, stage)
    if said.startswith("Expected `object`") and "at `$." not in said:
        return Rejected(Reason.NOT_AN_OBJECT, "the value is JSON, but not an object", stage)
    if "out of range" in said:
        return Rejected(Reason.NOT_FINITE, f"a number is out of range: {said}", stage)
    return Rejected(Reason.WRONG_TYPE, said, stage)
