"""Canonical events: each reason for a rejection, and each limit at its edge."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from streams.events.canonical import Event, default_event_id, encode
from streams.events.decoding import decode_canonical
from streams.events.rejections import Limits, Reason, Rejected
from tests.streams.flows import T0, Record

LIMITS = Limits()
RIGHT: dict[str, Any] = {"event_id": "e", "user_id": "u", "action": "a", "timestamp": T0}
NESTED = b'{"event_id":"e","user_id":"u","action":"a","timestamp":1600000000000,"extra":%s}'


def decode(value: bytes | None, limits: Limits = LIMITS) -> Event | Rejected:
    return decode_canonical(Record(value, 0), limits)


def reason(value: bytes | None, limits: Limits = LIMITS) -> Reason | None:
    """Why it is rejected; None where it is not."""
    found = decode(value, limits)
    return found.reason if isinstance(found, Rejected) else None


def changed(**fields: Any) -> bytes:
    return orjson.dumps({**RIGHT, **fields})


def without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in RIGHT.items() if key != name})


TRIGGERS: list[tuple[Reason, bytes | None]] = [
    (Reason.EMPTY_VALUE, None),
    (Reason.EMPTY_VALUE, b""),
    (Reason.TOO_LARGE, changed(text="x" * 1_048_577)),
    (Reason.TOO_DEEP, NESTED % (b"[" * 40 + b"]" * 40)),
    (Reason.TOO_DEEP, b"[" * 100_000),
    (Reason.NOT_UTF8, changed().replace(b'"u"', b'"\xff"')),
    (Reason.NOT_JSON, b"{"),
    (Reason.NOT_JSON, changed() + b"x"),
    (Reason.NOT_UTF8, changed().replace(b'"u"', b'"\\ud800"')),
    (Reason.NOT_AN_OBJECT, b"[]"),
    (Reason.NOT_AN_OBJECT, b"null"),
    (Reason.WRONG_TYPE, changed(user_id=7)),
    (Reason.WRONG_TYPE, changed(media=[1])),
    (Reason.WRONG_TYPE, changed(timestamp="2026-01-01")),
    (Reason.NOT_FINITE, NESTED.replace(b"extra", b"value") % b"NaN"),
    (Reason.NOT_FINITE, NESTED.replace(b"extra", b"value") % b"-Infinity"),
    (Reason.NOT_FINITE, NESTED.replace(b"extra", b"value") % b"1e999"),
    (Reason.MISSING_USER, without("user_id")),
    (Reason.MISSING_USER, changed(user_id=None)),
    (Reason.MISSING_USER, changed(user_id="")),
    (Reason.ID_TOO_LONG, changed(item_id="i" * 257)),
    (Reason.ID_CONTROL_CHARACTERS, changed(user_id="a\nb")),
    (Reason.ID_CONTROL_CHARACTERS, changed(item_id="a\x7f")),
    (Reason.MISSING_ACTION, without("action")),
    (Reason.MISSING_ACTION, changed(action=None)),
    (Reason.MISSING_ACTION, changed(action="")),
    (Reason.ACTION_TOO_LONG, changed(action="a" * 65)),
    (Reason.MISSING_TIMESTAMP, without("timestamp")),
    (Reason.MISSING_TIMESTAMP, changed(timestamp=None)),
    (Reason.TIMESTAMP_OUT_OF_RANGE, changed(timestamp=T0 // 1000)),
    (Reason.TEXT_TOO_LONG, changed(text="x" * 10_001)),
]

# What the adapters alone can find, or what comes after decoding.
ELSEWHERE = {
    Reason.EMPTY_ID,
    Reason.MISSING_ITEM,
    Reason.TOO_MANY_EVENTS,
    Reason.FOREIGN_FORMAT,
    Reason.BAD_TIMESTAMP,
    Reason.TIMESTAMP_IN_FUTURE,
    Reason.BAD_ENVELOPE,
    Reason.UNSUPPORTED_CONTENT_TYPE,
    Reason.HANDLING_FAILED,
    Reason.MEDIA_UNREADABLE,
}


@pytest.mark.parametrize(("expected", "value"), TRIGGERS)
def test_each_reason_has_its_trigger(expected: Reason, value: bytes | None) -> None:
    assert reason(value) == expected


def test_no_reason_is_left_untested() -> None:
    assert {expected for expected, _ in TRIGGERS} | ELSEWHERE == set(Reason)


EDGES: list[tuple[dict[str, Any], dict[str, Any], Reason]] = [
    ({"user_id": "u" * 256}, {"user_id": "u" * 257}, Reason.ID_TOO_LONG),
    ({"event_id": "é" * 256}, {"event_id": "é" * 257}, Reason.ID_TOO_LONG),
    ({"session_id": "s" * 256}, {"session_id": "s" * 257}, Reason.ID_TOO_LONG),
    ({"recommendation_id": "r" * 352}, {"recommendation_id": "r" * 353}, Reason.ID_TOO_LONG),
    ({"user_id": "a b"}, {"user_id": "a\x1fb"}, Reason.ID_CONTROL_CHARACTERS),
    ({"action": "a" * 64}, {"action": "a" * 65}, Reason.ACTION_TOO_LONG),
    ({"text": "x" * 10_000}, {"text": "x" * 10_001}, Reason.TEXT_TOO_LONG),
    ({"timestamp": LIMITS.min_timestamp_ms}, {"timestamp": LIMITS.min_timestamp_ms - 1}, Reason.TIMESTAMP_OUT_OF_RANGE),
    ({"timestamp": LIMITS.max_timestamp_ms}, {"timestamp": LIMITS.max_timestamp_ms + 1}, Reason.TIMESTAMP_OUT_OF_RANGE),
    ({"value": -1.7e308}, {"value": -(10**400)}, Reason.NOT_FINITE),
]  # fmt: skip


@pytest.mark.parametrize(("inside", "outside", "expected"), EDGES)
def test_each_limit_holds_at_its_edge(inside: Any, outside: Any, expected: Reason) -> None:
    # Not orjson, which writes no integer beyond 64 bits.
    assert reason(json.dumps({**RIGHT, **inside}).encode()) is None
    assert reason(json.dumps({**RIGHT, **outside}).encode()) == expected


def test_a_record_may_be_as_large_as_the_limit_to_the_byte() -> None:
    value = changed(text="x" * 300)
    assert reason(value, Limits(max_bytes=len(value))) is None
    assert reason(value, Limits(max_bytes=len(value) - 1)) == Reason.TOO_LARGE


@pytest.mark.parametrize("levels", [3, 40])
def test_a_record_may_be_as_deep_as_the_limit(levels: int) -> None:
    # One level is the event itself.
    value = NESTED % (b"[" * (levels - 1) + b"]" * (levels - 1))
    assert reason(value, Limits(max_depth=levels)) is None
    assert reason(value, Limits(max_depth=levels - 1)) == Reason.TOO_DEEP


def test_brackets_within_a_text_are_no_depth() -> None:
    assert reason(changed(text='{["\\' * 200)) is None


def test_a_broken_text_that_speaks_of_nan_is_not_called_a_number() -> None:
    assert reason(changed(text="NaN bread, Infinity pool")[:-1]) == Reason.NOT_JSON


def test_unknown_fields_are_ignored() -> None:
    assert decode(changed(colour="red", nested={"a": [1]})) == Event("e", "u", "a", T0)


def test_messages_stay_short_enough_for_a_header() -> None:
    found = decode(NESTED.replace(b'"timestamp":1600000000000,', b'"timestamp":%s,' % (b"9" * 4000)) % b"1")
    assert isinstance(found, Rejected)
    assert len(found.message) < 300


def test_an_id_made_of_a_long_topic_name_is_accepted_and_differs_by_offset() -> None:
    ids = {
        default_event_id(Record(b"", offset, topic="t" * 249), Limits(max_id_length=64)) for offset in (1, 2)
    }
    assert len(ids) == 2
    assert all(reason(changed(event_id=made), Limits(max_id_length=64)) is None for made in ids)


def test_absent_fields_take_no_bytes() -> None:
    assert (
        encode(Event("e", "u", "a", T0)) == b'{"event_id":"e","user_id":"u","action":"a","timestamp":%d}' % T0
    )
