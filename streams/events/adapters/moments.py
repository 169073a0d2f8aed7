"""When an event happened, as its producer or its Kafka record says."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.events import forgiven as kinds
from streams.events.fields import Fields, Invalid, kind_of
from streams.events.near_misses import hint, meant, printable
from streams.events.records import SourceRecord
from streams.events.rejections import Reason


def moment(fields: Fields, record: SourceRecord) -> int:
    """Milliseconds from a number of milliseconds or an RFC 3339 text; else the record's own. Raises Invalid."""
    given = fields.present("timestamp")
    if given is None:
        return _own_moment(fields, record)
    if isinstance(given, str):
        return parse_time(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Invalid(
            Reason.BAD_TIMESTAMP, f"timestamp is {kind_of(given)}, not milliseconds or RFC 3339 text"
        )
    try:
        return int(given)
    except (OverflowError, ValueError) as error:
        raise Invalid(Reason.BAD_TIMESTAMP, "timestamp is not a finite number") from error


def _own_moment(fields: Fields, record: SourceRecord) -> int:
    if record.timestamp is None or record.timestamp < 0:
        said = f"timestamp is missing{hint(fields.given, 'timestamp')}, and the record has none of its own"
        raise Invalid(Reason.MISSING_TIMESTAMP, said)
    if (name := meant(fields.given, "timestamp")) is not None:
        fields.forgiven.log_once(
            "timestamp",
            kinds.NOT_READ,
            f"{record.topic}: `{printable(name)}` is not read as the time of an event, its Kafka record's own time "
            f"is: name it `timestamp`",
        )
    return record.timestamp


def parse_time(given: str) -> int:
    """Milliseconds of an RFC 3339 text, without offset UTC. Raises Invalid."""
    try:
        parsed = datetime.fromisoformat(given.upper())  # RFC 3339 allows a small t and z
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        hinted = ": send milliseconds as a number" if given.strip().isdigit() else ""
        raise Invalid(Reason.BAD_TIMESTAMP, f"timestamp {given[:40]!r} is not RFC 3339{hinted}") from error
