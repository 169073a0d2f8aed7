"""What every format promises: any bytes give events, or the reasons why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from streams.events import Event, SourceRecord, default_event_id, encode, event_problem
from streams.isolation import each
from streams.records import Record
from streams.rejections import Limits, Reason, Rejected, json_problem

STAGE = "ingest.decode"

_decode_any = msgspec.json.Decoder().decode


class Adapter(Protocol):
    """Reads one foreign format."""

    name: str
    # The value of a right record, by which a bug is told from a record that it cannot take.
    example: bytes

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """The record's events in order, never none; a record that is wrong as a whole gives one rejection.

        Never raises, whatever the bytes. The same bytes give the same list: an event's index is part of its origin.
        """
        ...


def parse_each(
    adapter: Adapter, records: Sequence[SourceRecord], limits: Limits
) -> Sequence[Sequence[Event | Rejected]]:
    """`parse` of each, and a rejection where it raises after all. Raises EverythingFailsError (see isolation)."""
    example = Record("example", 0, 0, None, None, adapter.example, ())
    results = each(
        records,
        lambda record: adapter.parse(record, limits),
        STAGE,
        probe=lambda: adapter.parse(example, limits),
    )
    return [[result] if isinstance(result, Rejected) else result for result in results]


class Invalid(Exception):
    """Inside an adapter: the way out with a rejection."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.rejected = Rejected(reason, message, STAGE)


def load_object(value: bytes) -> dict[str, Any]:
    """The JSON object in a value. Raises Invalid."""
    try:
        found = _decode_any(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = json_problem(error, value, STAGE)
        raise Invalid(problem.reason, problem.message) from error
    if not isinstance(found, dict):
        raise Invalid(Reason.NOT_AN_OBJECT, "the value is JSON, but not an object")
    return found


def identifier(fields: dict[str, Any], name: str) -> str | None:
    """A string, or an integer as decimal string; None where absent or null. Raises Invalid."""
    given = fields.get(name)
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    raise Invalid(Reason.WRONG_TYPE, f"{name} is {_kind(given)}, not a string or an integer")


def string(fields: dict[str, Any], name: str) -> str | None:
    """A string; None where absent or null. Raises Invalid."""
    given = fields.get(name)
    if given is None or isinstance(given, str):
        return given
    raise Invalid(Reason.WRONG_TYPE, f"{name} is {_kind(given)}, not a string")


def number(fields: dict[str, Any], name: str) -> float | None:
    """A number; None where absent or null. Raises Invalid."""
    given = fields.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Invalid(Reason.WRONG_TYPE, f"{name} is {_kind(given)}, not a number")
    try:
        return float(given)
    except OverflowError as error:
        raise Invalid(Reason.NOT_FINITE, f"{name} is out of range") from error


def strings(fields: dict[str, Any], name: str) -> list[str] | None:
    """A list of strings; None where absent or null. Raises Invalid."""
    given = fields.get(name)
    if given is None:
        return None
    if isinstance(given, list) and all(isinstance(part, str) for part in given):
        return given
    raise Invalid(Reason.WRONG_TYPE, f"{name} is not a list of strings")


def moment(given: Any, record: SourceRecord) -> int:
    """Milliseconds from a number of milliseconds or an RFC 3339 text; else the record's own. Raises Invalid."""
    if given is None:
        if record.timestamp is None or record.timestamp < 0:
            raise Invalid(
                Reason.MISSING_TIMESTAMP, "timestamp is missing, and the record has none of its own"
            )
        return record.timestamp
    if isinstance(given, str):
        return _parse_time(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Invalid(Reason.BAD_TIMESTAMP, f"timestamp is {_kind(given)}, not milliseconds or RFC 3339 text")
    try:
        return int(given)
    except (OverflowError, ValueError) as error:
        raise Invalid(Reason.BAD_TIMESTAMP, "timestamp is not a finite number") from error


def build(
    record: SourceRecord, limits: Limits, fields: dict[str, Any], event_id: str | None
) -> Event | Rejected:
    """A checked event from fields by their canonical names. Raises Invalid."""
    user = identifier(fields, "user_id")
    if user is None:
        raise Invalid(Reason.MISSING_USER, "user_id is missing: an event without user moves no interest")
    action = string(fields, "action")
    if action is None:
        raise Invalid(Reason.MISSING_ACTION, "action is missing: say what the user did")
    event = Event(
        event_id=default_event_id(record, limits) if event_id is None else event_id,
        user_id=user,
        action=action,
        timestamp=moment(fields.get("timestamp"), record),
        source=string(fields, "source") or "",
        item_id=identifier(fields, "item_id"),
        value=number(fields, "value"),
        text=string(fields, "text"),
        media=strings(fields, "media"),
        session_id=identifier(fields, "session_id"),
        recommendation_id=string(fields, "recommendation_id"),
    )
    if (problem := event_problem(event, limits, STAGE)) is not None:
        return problem
    # The canonical form can be longer than what came, by headers or an id: the next stage must accept it.
    if (size := len(encode(event))) > limits.max_bytes:
        message = f"{size} bytes as canonical event, more than {limits.max_bytes} (INTERESTFLOW_LIMIT_BYTES)"
        return Rejected(Reason.TOO_LARGE, message, STAGE)
    return event


def _parse_time(given: str) -> int:
    try:
        parsed = datetime.fromisoformat(given.upper())  # RFC 3339 allows a small t and z
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Invalid(Reason.BAD_TIMESTAMP, f"timestamp {given[:40]!r} is not RFC 3339") from error


def _kind(given: Any) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "a list"}
    return names.get(type(given), "an object")
