"""The canonical event: its fields, its bytes, its ids, and what is wrong with one that is of the right types."""

from __future__ import annotations

import math
import re
from hashlib import blake2b

import msgspec

from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Reason, Rejected

# What no id of a user or an item may hold.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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


encode = msgspec.json.Encoder().encode
# Of an event that we encoded ourselves: nothing but its types is checked.
decode_stored = msgspec.json.Decoder(Event).decode


def good_record() -> bytes:
    """The value of a canonical record with nothing wrong, by which a bug is told from poison."""
    return encode(Event("known-good", "known-good", "click", 1_600_000_000_000, item_id="known-good"))


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
    if name in ("user_id", "item_id") and not given.isprintable() and CONTROL.search(given):
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
